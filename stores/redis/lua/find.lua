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

-- Some of these, as {score, member}, behind the mark that the arguments end with; whether there are more.
local function some_of(keys, backwards, limit)
  local score, member = take_optional(), take_optional()
  local visits = math.max(VISITS_MIN, math.min(limit, VISITS_MAX))
  if score then visits = VISITS_MAX end -- what is wanted is rare
  local found, has_more = {}, false
  walk(keys, backwards, score and {score, member}, function(found_member, found_score)
    has_more = #found == visits
    if not has_more then found[#found + 1] = {found_score, found_member} end
    return has_more
  end)
  return found, has_more
end

-- The first `limit` of these that are wanted, and the last of these that was taken, if there are more.
local function find_among(found, has_more, limit, id_of, is_wanted)
  local ids, wanted, last = {}, {}, has_more and found[#found]
  for n, each in ipairs(found) do ids[n] = id_of(each[2]) end
  read_tasks(ids)
  for n, id in ipairs(ids) do
    local task = load(id)
    if task and is_wanted(task, found[n][2]) then wanted[#wanted + 1] = id end
    if #wanted == limit then -- Python may want more yet, as it cannot read every row
      last = found[n]
      break
    end
  end
  local rows, views = values_of('row', wanted), {}
  for n, id in ipairs(wanted) do views[n] = task_view(load(id), rows[n]) end
  return {views, last and {text_of(last[1]), last[2]}}
end

local function status_of(task)
  return task.state == 'waiting' and tonumber(task.tries) > 0 and 'retrying' or task.state
end

local function find_live()
  local queue, limit, statuses = take_optional(), take_number(), {}
  for _ = 1, take_number() do statuses[take()] = true end
  local keys = queue_keys('live', queue, 'queues')
  local found, has_more = some_of(keys, false, limit)
  return find_among(
    found, has_more, limit, function(id) return id end,
    function(task) return statuses[status_of(task)] end
  )
end

local function find_dead()
  local queue, limit = take_optional(), take_number()
  local keys = queue_keys('dead', queue, 'graves')
  local found, has_more = some_of(keys, true, limit)
  return find_among(
    found, has_more, limit, function(grave) return string.sub(grave, 16) end,
    function(task, grave) return dead_letter(grave) == task end
  )
end

local kind = take()
if kind == 'ids' then return find_ids(take_ids()) end
if kind == 'live' then return find_live() end
return find_dead()
