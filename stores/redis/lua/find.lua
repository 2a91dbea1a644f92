-- Look for tasks; each is what `view_of` in Python reads, or false.

local function task_view(task)
  return {
    task.state, task.id, task.queue, task.priority, task.tries, task.due, task.began or false,
    task.last or false, task.node or false, task.lease or false, task.ended or false,
    get_all({key_of('row', task.id)})[1],
  }
end

local function result_view(id)
  local kept = get_all({key_of('result', id)})[1]
  local is_read, result = pcall(function() return cmsgpack.unpack(kept) end)
  if not is_read or type(result) ~= 'table' or not tonumber(result[5]) then return false end
  local status, queue, tries, began, ended, last, value = unpack(result, 1, 7)
  return {status, id, queue, tries, began, text_of(ended), last, value}
end

local function view(id)
  local task = load(id)
  if task then return task_view(task) end
  return result_view(id)
end

local function status_of(task)
  return task.state == 'waiting' and tonumber(task.tries) > 0 and 'retrying' or task.state
end

local found = {}

local function find_ids()
  for n = 1, take_number() do found[n] = view(take()) end
end

local function find_live()
  local queue, limit, wanted = take_optional(), take_number(), {}
  for _ = 1, take_number() do wanted[take()] = true end
  walk(queue_keys('live', queue, 'queues'), false, function(id)
    if #found >= limit then return true end
    local task = load(id)
    if task and wanted[status_of(task)] then found[#found + 1] = task_view(task) end
  end)
end

local function find_dead()
  local queue, limit = take_optional(), take_number()
  walk(queue_keys('dead', queue, 'graves'), true, function(grave)
    if #found >= limit then return true end
    local task = load(string.sub(grave, 16))
    if task then found[#found + 1] = task_view(task) end
  end)
end

local kind = take()
if kind == 'ids' then
  find_ids()
elseif kind == 'live' then
  find_live()
else
  find_dead()
end
return found
