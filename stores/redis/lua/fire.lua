-- Fire schedules: {'fired', outcome, ...}, {'full', live} or {'overtaken'} each.

-- The arguments of runs that are not added are read all the same.
local function skip_rows(count)
  for _ = 1, count * 10 do take() end
end

local function fire()
  local id, number, changes, next = take(), take(), take_number(), take_optional()
  local limit, goes_on, rows = tonumber(take_optional()), take() == '1', take_number()
  local job = job_at(id, number, changes)
  if not job then
    skip_rows(rows)
    return {'overtaken'}
  end
  if next then
    replace_job(job, job.row, next)
    redis.call('HDEL', key_of('job', id), 'goes_on')
  else
    remove_job(id)
  end
  local live = tonumber(redis.call('HGET', JOBS .. ':runs', id) or 0)
  local is_full = limit and rows > 0 and live >= limit
  if next and goes_on and not is_full then
    redis.call('HSET', key_of('job', id), 'goes_on', next)
  end
  if is_full then
    skip_rows(rows)
    return {'full', live}
  end
  local outcome = {'fired'}
  for n = 1, rows do outcome[n + 1] = add() end
  return outcome
end

local outcomes = {}
for n = 1, take_number() do outcomes[n] = fire() end
flush()
send_hints()
return outcomes
