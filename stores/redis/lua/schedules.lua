-- Schedules and their turns.
--
--   job:<id>        hash: row (Python's), next (when it is due), number and changes: its version;
--                   goes_on: the `next` that was due already when it was fired
--   jobs            ids by number of adding
--   turns           ids of those that are planned, by when they are due

local function load_job(id)
  local values = redis.pcall(
    'HMGET', key_of('job', id), 'row', 'next', 'number', 'changes', 'goes_on'
  )
  if values.err or not values[1] then return nil end
  return {
    id = id, row = values[1], next = values[2] or nil, number = values[3],
    changes = tonumber(values[4]) or false, goes_on = values[5],
  }
end

-- The schedule where it is at this version.
local function job_at(id, number, changes)
  local job = load_job(id)
  if job and job.number == number and job.changes == changes then return job end
end

local function plan_turn(id, next)
  if next then
    redis.call('HSET', key_of('job', id), 'next', next)
    redis.call('ZADD', JOBS .. ':turns', next, id)
  else
    redis.call('HDEL', key_of('job', id), 'next')
    redis.call('ZREM', JOBS .. ':turns', id)
  end
end

local function add_job(id, row, next)
  if redis.call('EXISTS', key_of('job', id)) == 1 then return false end
  local number = redis.call('HINCRBY', JOBS .. ':counters', 'schedule', 1)
  redis.call('HSET', key_of('job', id), 'row', row, 'number', number, 'changes', 0)
  redis.call('ZADD', JOBS .. ':jobs', number, id)
  plan_turn(id, next)
  return true
end

local function replace_job(job, row, next)
  redis.call('HSET', key_of('job', job.id), 'row', row, 'changes', job.changes + 1)
  redis.call('HDEL', key_of('job', job.id), 'error')
  plan_turn(job.id, next)
end

local function remove_job(id)
  redis.call('ZREM', JOBS .. ':jobs', id)
  redis.call('ZREM', JOBS .. ':turns', id)
  return redis.call('DEL', key_of('job', id)) == 1
end

-- What `schedules_of` in Python reads.
local function job_view(job)
  local goes_on = job.next and job.goes_on == job.next and 1 or 0
  return {job.id, job.row, job.next or false, job.number, job.changes, goes_on}
end
