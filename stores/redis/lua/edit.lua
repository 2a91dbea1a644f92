-- Change tasks and queues by hand; each answers {how many, queue, node, lease}.

local NOT_APPLIED = {0}

local function cancel(task)
  local node, lease = task.node, task.lease
  finish(task, 'cancelled', task.last)
  if node then tell('') end -- it is to stop
  return {1, task.queue, node or false, lease or false}
end

local function pause(task)
  if task.state ~= 'waiting' then return NOT_APPLIED end
  step_out(task)
  hold(task)
  task.state = 'held'
  save(task)
  return {1, task.queue}
end

local function resume(task)
  if task.state ~= 'held' then return NOT_APPLIED end
  step_out(task)
  stand(task)
  task.state = 'waiting'
  save(task)
  tell(task.queue)
  return {1, task.queue}
end

-- The first line of its row; nil where that cannot be read.
local function head_of(task)
  local row = get_all({key_of('row', task.id)})[1] or ''
  local size = string.find(row, '\n', 1, true)
  return size and string.sub(row, 1, size)
end

local function revise(task, queue, payload, priority, due)
  if task.state == 'running' then return NOT_APPLIED end
  queue = queue or task.queue
  if queue ~= task.queue and key_holder(queue, task.key) then return NOT_APPLIED end
  local head = payload and head_of(task)
  if payload and not head then return NOT_APPLIED end
  step_out(task)
  out_of_queue(task)
  count_bytes(task.queue, -task.size)
  flush() -- it may come back to where it was
  task.queue, task.priority = queue, priority or task.priority
  if due then task.due = text_of(math.max(tonumber(due), now)) end
  if payload then
    redis.call('SET', key_of('row', task.id), head .. payload)
    task.size = #payload
  end
  save(task)
  into_queue(task)
  if task.state == 'held' then
    hold(task)
  else
    stand(task)
    tell(task.queue)
  end
  return {1, task.queue}
end

local function requeue_many(queue, limit)
  local chosen = {}
  walk(queue_keys('dead', queue, 'graves'), false, nil, function(member)
    if #chosen == limit then return true end
    local task = dead_letter(member)
    if task and not key_holder(task.queue, task.key) then chosen[#chosen + 1] = task end
  end)
  local count = 0
  for _, task in ipairs(chosen) do -- two of them may share a key, so each is asked again
    if requeue(task) then count = count + 1 end
  end
  return {count, queue or false}
end

local function pause_queue(queue)
  if redis.call('SADD', JOBS .. ':paused', queue) == 0 then return NOT_APPLIED end
  return {1, queue}
end

local function resume_queue(queue)
  if redis.call('SREM', JOBS .. ':paused', queue) == 0 then return NOT_APPLIED end
  tell(queue)
  return {1, queue}
end

local OF_LIVE = {cancel = cancel, pause = pause, resume = resume, revise = revise}

local function edit()
  local kind, id = take(), take_optional()
  local queue, payload, priority, due = take_optional(), take_optional(), take_optional(),
    take_optional()
  if kind == 'pause_queue' then return pause_queue(queue) end
  if kind == 'resume_queue' then return resume_queue(queue) end
  if kind == 'requeue_many' then return requeue_many(queue, tonumber(due)) end
  local task = load(id) or set_aside(id)
  if not task or (task.state == 'dead') ~= (kind == 'requeue') then return NOT_APPLIED end
  if kind == 'requeue' then return requeue(task) and {1, task.queue} or NOT_APPLIED end
  return OF_LIVE[kind](task, queue, payload, priority, due)
end

local outcomes = {}
for n = 1, take_number() do
  outcomes[n] = edit()
  flush()
end
send_hints()
return with_aside(outcomes)
