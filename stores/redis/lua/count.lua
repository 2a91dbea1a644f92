-- The figures of one queue or of all.

local function add_to(figures, name, count)
  if count > 0 then figures[name] = (figures[name] or 0) + count end
end

local function flat(figures)
  local list = {}
  for name, count in pairs(figures) do
    list[#list + 1] = name
    list[#list + 1] = count
  end
  return list
end

local live, due, delayed, held, dead, bytes = 0, 0, 0, 0, 0, 0
local priorities, ready_types = {}, {}
local first, last

local function count_lanes(queue)
  for _, kind in ipairs(lanes_of(queue)) do
    local name, priority = string.match(kind, '^(.*)\n(.*)$')
    local lane = lane_key(queue, kind)
    local ready, all = redis.call('ZCOUNT', lane, '-inf', now_text), redis.call('ZCARD', lane)
    due, delayed = due + ready, delayed + all - ready
    add_to(priorities, priority, all)
    add_to(ready_types, name, ready)
  end
end

-- From one priority to the next, however many have it.
local function count_held(queue)
  local key, from = key_of('held', queue), '-inf'
  while true do
    local found = redis.call('ZRANGEBYSCORE', key, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    local priority = found[2]
    if not priority then return end
    local count = redis.call('ZCOUNT', key, priority, priority)
    held = held + count
    add_to(priorities, priority, count)
    from = '(' .. priority
  end
end

local function mark_ends(queue)
  local key = key_of('live', queue)
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  local tail = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  if not head[1] then return end
  if not first or tonumber(head[2]) < first.number then
    first = {id = head[1], number = tonumber(head[2])}
  end
  if not last or tonumber(tail[2]) > last.number then
    last = {id = tail[1], number = tonumber(tail[2])}
  end
end

local function count_queue(queue)
  count_lanes(queue)
  count_held(queue)
  mark_ends(queue)
  live = live + redis.call('ZCARD', key_of('live', queue))
  dead = dead + redis.call('ZCARD', key_of('dead', queue))
  bytes = bytes + tonumber(redis.call('HGET', JOBS .. ':bytes', queue) or 0)
end

-- The line of JSON that a row begins with.
local function head_of(marked)
  local row = marked and get_all({key_of('row', marked.id)})[1]
  return row and string.sub(row, 1, (string.find(row, '\n', 1, true) or 1) - 1) or false
end

local function is_paused(queue)
  if queue then return redis.call('SISMEMBER', JOBS .. ':paused', queue) end
  return redis.call('EXISTS', JOBS .. ':paused')
end

local queue = take_optional()
for _, name in ipairs(queue and {queue} or redis.call('SUNION', JOBS .. ':queues', JOBS .. ':graves')) do
  count_queue(name)
end
local bytes_of_all = 0
for _, size in ipairs(redis.call('HVALS', JOBS .. ':bytes')) do
  bytes_of_all = bytes_of_all + tonumber(size)
end
return {
  due, delayed, held, live - due - delayed - held, dead, flat(priorities), flat(ready_types),
  head_of(first), head_of(last), is_paused(queue), bytes, bytes_of_all,
}
