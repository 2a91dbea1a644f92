-- Set aside what cannot be read: tasks are held, schedules paused, each with the reason. What was claimed
-- with them gets another lease, or is put back.

local function mine(id, lease)
  local task = load(id)
  return task and task.lease == lease and task
end

for _ = 1, take_number() do
  local task, reason = mine(take(), take()), take()
  if task then
    release(task)
    task.state, task.error = 'held', reason
    save(task)
    hold(task)
  end
end
for _ = 1, take_number() do
  local task, lease = mine(take(), take()), take_optional()
  if task and lease then
    local name = task.node
    release(task)
    hand_over(task, name, lease)
  elseif task then
    put_back(task)
  end
end
flush()
for _ = 1, take_number() do
  local id, reason = take(), take()
  redis.call('ZREM', JOBS .. ':turns', id)
  if redis.call('TYPE', key_of('job', id)).ok == 'hash' then
    redis.call('HDEL', key_of('job', id), 'next')
    redis.call('HSET', key_of('job', id), 'error', reason)
  end
end
