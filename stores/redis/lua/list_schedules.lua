-- Schedules by id, or in the order added behind a number.

local views = {}

local function show(id)
  local job = load_job(id)
  if job then views[#views + 1] = job_view(job) end
end

if take() == 'ids' then
  for _ = 1, take_number() do show(take()) end
else
  local limit, behind = take_number(), take()
  local ids = redis.call('ZRANGEBYSCORE', JOBS .. ':jobs', '(' .. behind, '+inf', 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do show(id) end
end
return views
