-- Remove for good up to so many rows a call: {how many, where to go on or false}.

local LIMIT = 10000

local kind = take()
local removed = 0

-- What waits of a queue, behind the number `from` and up to the number `to`.
local function purge_waiting()
  local queue, from, to = take(), take(), take_optional()
  to = to or redis.call('HGET', JOBS .. ':counters', 'number') or '0'
  local found = redis.call(
    'ZRANGEBYSCORE', key_of('live', queue), '(' .. from, to, 'LIMIT', 0, LIMIT
  )
  local last
  read_tasks(found)
  for _, id in ipairs(found) do
    local task = load(id)
    last = task and task.number or last
    if task and task.state ~= 'running' then
      leave(task)
      forget(task)
      removed = removed + 1
    end
  end
  flush()
  return {removed, #found == LIMIT and last or false, to}
end

local function purge_dead()
  local queue, ended = take_optional(), now - take_number()
  for _, key in ipairs(queue_keys('dead', queue, 'graves')) do
    local graves = redis.call(
      'ZRANGEBYSCORE', key, '-inf', text_of(ended), 'LIMIT', 0, LIMIT - removed
    )
    for _, grave in ipairs(graves) do
      local task = load(string.sub(grave, 16))
      if task then
        exhume(task)
        forget(task)
      else
        redis.call('ZREM', key, grave)
      end
      removed = removed + 1
    end
  end
  flush()
  return {removed, removed == LIMIT and 1 or false}
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

if kind == 'waiting' then return purge_waiting() end
if kind == 'dead' then return purge_dead() end
return purge_results()
