-- One task and its moves. A task is in one place: live, a dead letter, or a result.
--
--   task:<id>       hash: where it stands. Live: waiting, held, running; or dead
--   row:<id>        what was asked for, as Python wrote it: a line of JSON, then the payload
--   result:<id>     what is left of one that ended, and goes by itself; results: ids by time
--   live:<queue>    ids by number of adding; queues: the names that have any
--   <lane>          waiting, by due time and number; a lane is (queue, type, priority)
--   lanes:<queue>   its lanes by priority
--   held:<queue>    paused tasks by priority
--   keys:<queue>    unique keys in use
--   leases:<node>   what it runs, by lease
--   dead:<queue>    dead letters by time and number; graves: the queues that have any
--   runs            live tasks by job; bytes: of payloads, by queue; paused: queues

local FIELDS = {
  'state', 'queue', 'type', 'priority', 'number', 'due', 'tries', 'size', 'lease', 'node',
  'began', 'last', 'key', 'job', 'ended', 'grave',
}

-- The task of that id, or nil.
local function load(id)
  local values = redis.call('HMGET', key_of('task', id), unpack(FIELDS))
  if not values[1] then return nil end
  local task = {id = id}
  for n, field in ipairs(FIELDS) do task[field] = values[n] or nil end
  return task
end

local function write(task, ...)
  redis.call('HSET', key_of('task', task.id), ...)
end

local function is_due(task)
  return tonumber(task.due) <= now
end

-- --- in line --------------------------------------------------------------------------------

local function lane_key(queue, kind)
  return TIMES .. ':' .. queue .. '\n' .. kind
end

local lanes_known = {}

local function stand(task)
  local kind = task.type .. '\n' .. task.priority
  local lane = lane_key(task.queue, kind)
  redis.call('ZADD', lane, task.due, task.number .. task.id)
  if not lanes_known[lane] then
    redis.call('ZADD', key_of('lanes', task.queue), task.priority, kind)
    lanes_known[lane] = true
  end
end

local function drop_if_empty(queue, kind)
  local lane = lane_key(queue, kind)
  if redis.call('EXISTS', lane) == 0 then
    redis.call('ZREM', key_of('lanes', queue), kind)
    lanes_known[lane] = nil
  end
end

-- Out of line, whether it waits there or is held.
local function step_out(task)
  if task.state == 'held' then
    redis.call('ZREM', key_of('held', task.queue), task.id)
    return
  end
  local kind = task.type .. '\n' .. task.priority
  redis.call('ZREM', lane_key(task.queue, kind), task.number .. task.id)
  drop_if_empty(task.queue, kind)
end

local function hold(task)
  redis.call('ZADD', key_of('held', task.queue), task.priority, task.id)
end

-- --- into a queue and out of it -------------------------------------------------------------

local function key_holder(queue, key)
  if key then return redis.call('HGET', key_of('keys', queue), key) or nil end
end

local function into_queue(task)
  if redis.call('ZADD', key_of('live', task.queue), task.number, task.id) == 1 then
    redis.call('SADD', JOBS .. ':queues', task.queue)
  end
  redis.call('HINCRBY', JOBS .. ':bytes', task.queue, task.size)
  if task.key then redis.call('HSET', key_of('keys', task.queue), task.key, task.id) end
end

local function forget_bytes(task)
  if redis.call('HINCRBY', JOBS .. ':bytes', task.queue, -task.size) == 0 then
    redis.call('HDEL', JOBS .. ':bytes', task.queue)
  end
end

local function out_of_queue(task)
  local live = key_of('live', task.queue)
  redis.call('ZREM', live, task.id)
  if redis.call('EXISTS', live) == 0 then redis.call('SREM', JOBS .. ':queues', task.queue) end
  if task.key then redis.call('HDEL', key_of('keys', task.queue), task.key) end
end

local function next_number()
  return string.format('%015d', redis.call('HINCRBY', JOBS .. ':counters', 'number', 1))
end

-- A new life, waiting.
local function enter(task)
  task.state = 'waiting'
  task.number = next_number()
  write(
    task, 'state', 'waiting', 'queue', task.queue, 'type', task.type, 'priority', task.priority,
    'number', task.number, 'due', task.due, 'tries', task.tries, 'size', task.size,
    unpack(task.key and task.job and {'key', task.key, 'job', task.job}
      or task.key and {'key', task.key} or task.job and {'job', task.job} or {})
  )
  into_queue(task)
  if task.job then redis.call('HINCRBY', JOBS .. ':runs', task.job, 1) end
  stand(task)
  if is_due(task) then tell(task.queue) end
end

-- The lease is void from now on.
local function release(task)
  redis.call('HDEL', key_of('leases', task.node), task.lease)
  redis.call('HDEL', key_of('task', task.id), 'lease', 'node')
end

-- No longer live; it is to be buried or forgotten.
local function leave(task)
  if task.state == 'running' then
    redis.call('HDEL', key_of('leases', task.node), task.lease)
  else
    step_out(task)
  end
  out_of_queue(task)
  if task.job and redis.call('HINCRBY', JOBS .. ':runs', task.job, -1) <= 0 then
    redis.call('HDEL', JOBS .. ':runs', task.job)
  end
end

local function forget(task)
  forget_bytes(task)
  redis.call('DEL', key_of('task', task.id), key_of('row', task.id))
end

-- --- moves ----------------------------------------------------------------------------------

-- Take a new task from the arguments: 'added', 'known', or the id that holds its key.
local function add()
  local task = {
    id = take(), queue = take(), type = take(), priority = take(), tries = take(),
  }
  local due, scheduled = now + take_number(), take_optional()
  task.due = text_of(scheduled and math.max(due, tonumber(scheduled)) or due)
  task.key, task.job = take_optional(), take_optional()
  local row = take()
  if redis.call('EXISTS', key_of('task', task.id), key_of('result', task.id)) > 0 then
    return 'known'
  end
  local holder = key_holder(task.queue, task.key)
  if holder then return holder end
  task.size = #row - string.find(row, '\n', 1, true)
  redis.call('SET', key_of('row', task.id), row)
  enter(task)
  return 'added'
end

-- From running to where it stood before.
local function put_back(task)
  release(task)
  write(task, 'state', 'waiting')
  stand(task)
end

local function retry(task, delay_us, last)
  release(task)
  task.due = text_of(now + delay_us)
  write(task, 'state', 'waiting', 'due', task.due, 'tries', task.tries + 1, 'last', last)
  stand(task)
  if is_due(task) then tell(task.queue) end
end

-- From live to a result.
local function finish(task, status, last, result)
  leave(task)
  forget(task)
  if result_ttl_ms == 0 then return end
  local kept = cmsgpack.pack({
    status, task.queue, task.tries, task.began or false, now, last or false, result or false,
  })
  redis.call('SET', key_of('result', task.id), kept, 'PX', result_ttl_ms)
  redis.call('ZADD', JOBS .. ':results', now_text, task.id)
end

local function die(task, last)
  leave(task)
  redis.call('HDEL', key_of('task', task.id), 'lease', 'node')
  local grave = next_number() .. task.id
  write(task, 'state', 'dead', 'ended', now_text, 'last', last, 'grave', grave)
  redis.call('ZADD', key_of('dead', task.queue), now_text, grave)
  redis.call('SADD', JOBS .. ':graves', task.queue)
end

local function exhume(task)
  local dead = key_of('dead', task.queue)
  redis.call('ZREM', dead, task.grave)
  if redis.call('EXISTS', dead) == 0 then redis.call('SREM', JOBS .. ':graves', task.queue) end
  forget_bytes(task)
end

-- From a dead letter to a new life, unless its key is taken.
local function requeue(task)
  if key_holder(task.queue, task.key) then return false end
  exhume(task)
  redis.call('HDEL', key_of('task', task.id), 'began', 'last', 'ended', 'grave')
  task.due, task.tries = now_text, 0
  enter(task)
  return true
end
