-- Remove for good up to so many rows a call: {how many, where to go on or false}.

local LIMIT = 10000

local kind = take()
local removed = 0

-- What waits of a queue, behind the number `from` and up to the number `to`.
local function purge_waiting()
  local queue, from, to = take(), take(), take_optional()
  to = to or redis.call('HGET', JOBS .. ':counters', 'number') or '0'
  local live = key_of('live', queue)
  local found = redis.call('ZRANGEBYSCORE', live, '(' .. from, to, 'LIMIT', 0, LIMIT)
  local last = #found == LIMIT and redis.call('ZSCORE', live, found[LIMIT])
  read_tasks(found)
  for id in pairs(spoilt) do set_aside(id) end
  flush()
  for _, id in ipairs(found) do
    local task = load(id)
    if task and task.state ~= 'running' then
      leave(task)
      forget(task)
      removed = removed + 1
    end
  end
  flush()
  return {removed, last, to}
end

-- A dead letter; where it cannot be read, what there is to remove of it. Nil: its id is another's by now.
local function buried(queue, grave)
  local id = string.sub(grave, 16)
  local task = dead_letter(grave)
  if task or load(id) or spoilt[id] and place_of(id) then return task end
  local _, _, _, size = read_row(id)
  return {id = id, size = size, queue = queue}
end

local function purge_dead()
  local queue, ended, looked_at = take_optional(), now - take_number(), 0
  for _, name in ipairs(queue and {queue} or redis.call('SMEMBERS', JOBS .. ':graves')) do
    local graves = redis.call(
      'ZRANGEBYSCORE', key_of('dead', name), '-inf', text_of(ended), 'LIMIT', 0, LIMIT - looked_at
    )
    for _, grave in ipairs(graves) do
      local task = buried(name, grave)
      exhume({queue = name, grave = grave})
      if task then
        forget(task)
        removed = removed + 1
      end
    end
    looked_at = looked_at + #graves
  end
  flush()
  return {removed, looked_at == LIMIT and 1 or false}
end

local function purge_results()
  local results = JOBS .. ':results'
  local ids = redis.call('ZRANGEBYSCORE', results, '-inf', text_of(now - take_number()), 'LIMIT', 0, LIMIT)
  for _, id in ipairs(ids) do
    redis.call('ZREM', results, id)
    redis.call('DEL', key_of('result', id))
  end
  return {#ids, #ids == LIMIT and 1 or false}
end

if kind == 'waiting' then return with_aside(purge_waiting()) end
if kind == 'dead' then return with_aside(purge_dead()) end
return with_aside(purge_results())
