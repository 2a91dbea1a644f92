-- One task and its moves. A task is in one place: live, a dead letter, or a result.
--
--   task:<id>       JSON: where it stands. Live: waiting, held, running; or dead. Of one that was
--                   set aside also the error, and what was there
--   row:<id>        what was asked for, as Python wrote it: a line of JSON, then the payload
--   result:<id>     packed: what is left of one that ended. It goes by itself; results: ids by time
--   live:<queue>    ids by number of adding; queues: the names that have any
--   <lane>          waiting, by due time and number; a lane is (queue, type, priority)
--   lanes:<queue>   its lanes by priority
--   held:<queue>    paused tasks by priority
--   keys:<queue>    unique keys in use
--   leases:<node>   what it runs, by lease
--   dead:<queue>    dead letters by time and number; graves: the queues that have any
--   runs            live tasks by job; bytes: of payloads, by queue; paused: queues

-- --- reading and writing --------------------------------------------------------------------

local tasks = {} -- those that were read, by id; false: there is none
local spoilt = {} -- what stands in the place of those that cannot be read, and why, by id

local TEXTS = {
  waiting = {'queue', 'type'}, held = {'queue', 'type'},
  running = {'queue', 'type', 'lease', 'node', 'began'}, dead = {'queue', 'type', 'ended', 'grave'},
}
local COUNT_MAX = 2 ^ 40 -- sums of them are exact, and fit
local TEXTS_OR_NONE = {'key', 'job', 'began', 'last'}

-- One that Redis takes for a number as well: Lua would read blanks and hexadecimal digits, too.
local function is_whole_text(text)
  return type(text) == 'string' and #text <= 20 and string.match(text, '^%-?%d+$')
end

local function is_count(number)
  return type(number) == 'number' and number >= 0 and number <= COUNT_MAX and number % 1 == 0
end

-- What a script that works with it would stumble over, or nil: other programs write keys, too.
local function fault_of(task, id)
  if type(task) ~= 'table' or task.id ~= id then return 'it is none of that id' end
  local texts = TEXTS[task.state]
  if not texts then return 'its state is none' end
  for n = 1, #texts do
    if type(task[texts[n]]) ~= 'string' then return 'its ' .. texts[n] .. ' is none' end
  end
  for n = 1, #TEXTS_OR_NONE do
    local name = TEXTS_OR_NONE[n]
    if task[name] ~= nil and type(task[name]) ~= 'string' then return 'its ' .. name .. ' is none' end
  end
  if not is_whole_text(task.priority) then return 'its priority is none' end
  if not is_whole_text(task.due) then return 'its due time is none' end
  if not is_whole_text(task.number) or #task.number ~= 15 then return 'its number is none' end
  if not is_count(task.tries) then return 'its tries are none' end
  if not is_count(task.size) then return 'its size is none' end
end

local function decode(id, text)
  local is_json, found = pcall(cjson.decode, text)
  local why = not is_json and found or fault_of(found, id)
  if not why then return found end
  spoilt[id] = {text = text, why = 'its task cannot be read: ' .. why}
  return false
end

local function read_tasks(ids)
  local unread, keys = {}, {}
  for _, id in ipairs(ids) do
    if tasks[id] == nil then
      unread[#unread + 1] = id
      keys[#keys + 1] = key_of('task', id)
    end
  end
  for n, text in ipairs(get_all(keys)) do
    tasks[unread[n]] = text and decode(unread[n], text)
  end
end

-- The task of that id, or nil: then it may be in `spoilt`.
local function load(id)
  if tasks[id] == nil then read_tasks({id}) end
  return tasks[id] or nil
end

local function save(task)
  tasks[task.id] = task
  later(batch('MSET'), key_of('task', task.id), cjson.encode(task))
end

local function is_due(task)
  return tonumber(task.due) <= now
end

local thinned_lanes, thinned_queues, bytes = {}, {}, {}

local function lane_key(queue, kind)
  return TIMES .. ':' .. queue .. '\n' .. kind
end

local function lanes_of(queue)
  return redis.call('ZREVRANGE', key_of('lanes', queue), 0, -1)
end

local function count_bytes(queue, size)
  bytes[queue] = (bytes[queue] or 0) + size
end

-- Write what was gathered, and drop the names of what it has emptied.
local function flush()
  send_batches()
  for lane, place in pairs(thinned_lanes) do
    if redis.call('EXISTS', lane) == 0 then
      redis.call('ZREM', key_of('lanes', place.queue), place.kind)
    end
  end
  for queue in pairs(thinned_queues) do
    if redis.call('EXISTS', key_of('live', queue)) == 0 then
      redis.call('SREM', JOBS .. ':queues', queue)
    end
  end
  for queue, size in pairs(bytes) do
    if redis.call('HINCRBY', JOBS .. ':bytes', queue, size) == 0 then
      redis.call('HDEL', JOBS .. ':bytes', queue)
    end
  end
  thinned_lanes, thinned_queues, bytes = {}, {}, {}
end

-- --- in line --------------------------------------------------------------------------------

local function kind_of(task)
  return task.type .. '\n' .. task.priority
end

local function stand(task)
  local kind = kind_of(task)
  later(batch('ZADD', lane_key(task.queue, kind)), task.due, task.number .. task.id)
  later(batch('ZADD', key_of('lanes', task.queue)), task.priority, kind)
end

local function leave_lane(queue, kind, member)
  local lane = lane_key(queue, kind)
  later(batch('ZREM', lane), member)
  thinned_lanes[lane] = thinned_lanes[lane] or {queue = queue, kind = kind}
end

-- Out of line, whether it waits there or is held.
local function step_out(task)
  if task.state == 'held' then
    later(batch('ZREM', key_of('held', task.queue)), task.id)
  else
    leave_lane(task.queue, kind_of(task), task.number .. task.id)
  end
end

local function hold(task)
  later(batch('ZADD', key_of('held', task.queue)), task.priority, task.id)
end

-- --- into a queue and out of it -------------------------------------------------------------

local function key_holder(queue, key)
  if key then return redis.call('HGET', key_of('keys', queue), key) or nil end
end

local function into_queue(task)
  later(batch('ZADD', key_of('live', task.queue)), task.number, task.id)
  later(batch('SADD', JOBS .. ':queues'), task.queue)
  count_bytes(task.queue, task.size)
  if task.key then redis.call('HSET', key_of('keys', task.queue), task.key, task.id) end
end

local function out_of_queue(task)
  later(batch('ZREM', key_of('live', task.queue)), task.id)
  thinned_queues[task.queue] = true
  if task.key then redis.call('HDEL', key_of('keys', task.queue), task.key) end
end

local next_number, last_number = 1, 0

-- The next number of adding; `reserve` takes many at once from the server.
local function reserve(count)
  last_number = redis.call('HINCRBY', JOBS .. ':counters', 'number', count)
  next_number = last_number - count + 1
end

local function take_next_number()
  if next_number > last_number then reserve(1) end
  next_number = next_number + 1
  return string.format('%015d', next_number - 1)
end

-- A new life, waiting.
local function enter(task)
  task.state, task.number = 'waiting', take_next_number()
  save(task)
  into_queue(task)
  if task.job then redis.call('HINCRBY', JOBS .. ':runs', task.job, 1) end
  stand(task)
  if is_due(task) then tell(task.queue) end
end

-- The lease is void from now on.
local function release(task)
  later(batch('HDEL', key_of('leases', task.node)), task.lease)
  task.lease, task.node = nil, nil
end

-- No longer live; it is to be buried or forgotten.
local function leave(task)
  if task.state == 'running' then
    release(task)
  else
    step_out(task)
  end
  out_of_queue(task)
  if task.job and redis.call('HINCRBY', JOBS .. ':runs', task.job, -1) <= 0 then
    redis.call('HDEL', JOBS .. ':runs', task.job)
  end
end

local function forget(task)
  count_bytes(task.queue, -task.size)
  tasks[task.id] = false
  local gone = batch('DEL')
  later(gone, key_of('task', task.id), key_of('row', task.id))
end

-- --- moves ----------------------------------------------------------------------------------

-- Take a new task from the arguments: 'added', 'known', or the id that holds its key.
local function add()
  local task = {
    id = take(), queue = take(), type = take(), priority = take(), tries = take_number(),
  }
  local due, scheduled = now + take_number(), take_optional()
  task.due = text_of(scheduled and math.max(due, tonumber(scheduled)) or due)
  task.key, task.job = take_optional(), take_optional()
  local row = take()
  local is_known = tasks[task.id]
    or redis.call('EXISTS', key_of('task', task.id), key_of('result', task.id)) > 0
  if is_known then return 'known' end
  local holder = key_holder(task.queue, task.key)
  if holder then return holder end
  task.size = #row - string.find(row, '\n', 1, true)
  later(batch('MSET'), key_of('row', task.id), row)
  enter(task)
  return 'added'
end

-- From running to where it stood before.
local function put_back(task)
  release(task)
  task.state = 'waiting'
  save(task)
  stand(task)
end

local function retry(task, delay_us, last)
  task.due, task.tries, task.last = text_of(now + delay_us), task.tries + 1, last
  put_back(task)
  if is_due(task) then tell(task.queue) end
end

-- From live to a result.
local function finish(task, status, last, result)
  leave(task)
  forget(task)
  if result_ttl_ms == 0 then return end
  local kept = cmsgpack.pack({
    status, task.queue, task.tries, task.began or false, now_text, last or false, result or false,
  })
  redis.call('SET', key_of('result', task.id), kept, 'PX', result_ttl_ms)
  later(batch('ZADD', JOBS .. ':results'), now_text, task.id)
end

local function die(task, last)
  leave(task)
  task.state, task.ended, task.last = 'dead', now_text, last
  task.grave = take_next_number() .. task.id
  save(task)
  later(batch('ZADD', key_of('dead', task.queue)), now_text, task.grave)
  later(batch('SADD', JOBS .. ':graves'), task.queue)
end

-- The task whose grave that is, or nil: its id may live again, where somebody has deleted its key.
local function dead_letter(grave)
  local task = load(string.sub(grave, 16))
  return task and task.state == 'dead' and task.grave == grave and task or nil
end

local function exhume(task)
  local dead = key_of('dead', task.queue)
  redis.call('ZREM', dead, task.grave)
  if redis.call('EXISTS', dead) == 0 then redis.call('SREM', JOBS .. ':graves', task.queue) end
end

-- From a dead letter to a new life, unless its key is taken.
local function requeue(task)
  if key_holder(task.queue, task.key) then return false end
  exhume(task)
  count_bytes(task.queue, -task.size)
  task.due, task.tries = now_text, 0
  task.began, task.last, task.ended, task.grave = nil, nil, nil, nil
  enter(task)
  return true
end
