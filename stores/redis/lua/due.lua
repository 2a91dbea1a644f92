-- The schedules that are due, behind one that was seen: {now, views, time until the next or false}.

local TURNS = JOBS .. ':turns'

local limit, at, id = take_number(), take_optional(), take_optional()
local stop = redis.call('ZCOUNT', TURNS, '-inf', now_text)
local start = place_behind(TURNS, at and {at, id})
local views = {}
if start < math.min(stop, start + limit) then
  local ids = redis.call('ZRANGE', TURNS, start, math.min(stop, start + limit) - 1)
  for n, each in ipairs(ids) do
    local job = load_job(each)
    views[n] = job and job_view(job) or {each, false, false, false, false, 0}
  end
end
local coming = redis.call('ZRANGE', TURNS, stop, stop, 'WITHSCORES')[2]
return {now, views, coming and tonumber(coming) - now or false}
