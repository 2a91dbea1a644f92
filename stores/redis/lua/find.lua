-- Look for tasks: {views, the mark to go on behind or false}; a view is what `views_of` in Python reads, or
-- false. One call looks at so many that the server is soon free again, and Python goes on.

local VISITS_MIN, VISITS_MAX = 100, 2000

local function task_view(task, row)
  return {
    task.state, task.id, task.queue, task.priority, task.tries, task.due, task.began or false,
    task.last or false, task.node or false, task.lease or false, task.ended or false, row,
  }
end

local function result_view(id, kept)
  local is_read, result = pcall(function() return cmsgpack.unpack(kept) end)
  if not is_read or type(result) ~= 'table' or not tonumber(result[5]) then return false end
  local status, queue, tries, began, ended, last, value = unpack(result, 1, 7)
  return {status, id, queue, tries, began, text_of(ended), last, value}
end

local function values_of(kind, ids)
  local keys = {}
  for n, id in ipairs(ids) do keys[n] = key_of(kind, id) end
  return get_all(keys)
end

local function take_ids()
  local ids = {}
  for n = 1, take_number() do ids[n] = take() end
  return ids
end

local function find_ids(ids)
  read_tasks(ids)
  local rows, results, views = values_of('row', ids), values_of('result', ids), {}
  for n, id in ipairs(ids) do
    local task = load(id)
    views[n] = task and task_view(task, rows[n]) or result_view(id, results[n])
  end
  return {views, false}
end

-- The ids of some of these, behind the mark that the arguments end with.
local function some_of(keys, backwards, limit, id_of)
  local score, member = take_optional(), take_optional()
  local visits = math.max(VISITS_MIN, math.min(limit, VISITS_MAX))
  if score then visits = VISITS_MAX end -- what is wanted is rare
  local ids, last, mark = {}, nil, false
  walk(keys, backwards, score and {score, member}, function(found, found_score)
    if #ids == visits then
      mark = {text_of(last[1]), last[2]}
      return true
    end
    ids[#ids + 1], last = id_of(found), {found_score, found}
  end)
  return ids, mark
end

-- The first `limit` of these that are wanted.
local function views_of(ids, limit, is_wanted)
  read_tasks(ids)
  local wanted = {}
  for _, id in ipairs(ids) do
    local task = load(id)
    if task and #wanted < limit and is_wanted(task) then wanted[#wanted + 1] = id end
  end
  local rows, views = values_of('row', wanted), {}
  for n, id in ipairs(wanted) do views[n] = task_view(load(id), rows[n]) end
  return views
end

local function status_of(task)
  return task.state == 'waiting' and tonumber(task.tries) > 0 and 'retrying' or task.state
end

local function find_live()
  local queue, limit, statuses = take_optional(), take_number(), {}
  for _ = 1, take_number() do statuses[take()] = true end
  local keys = queue_keys('live', queue, 'queues')
  local ids, mark = some_of(keys, false, limit, function(id) return id end)
  return {views_of(ids, limit, function(task) return statuses[status_of(task)] end), mark}
end

local function find_dead()
  local queue, limit = take_optional(), take_number()
  local keys = queue_keys('dead', queue, 'graves')
  local ids, mark = some_of(keys, true, limit, function(grave) return string.sub(grave, 16) end)
  return {views_of(ids, limit, function() return true end), mark}
end

local kind = take()
if kind == 'ids' then return find_ids(take_ids()) end
if kind == 'live' then return find_live() end
return find_dead()
