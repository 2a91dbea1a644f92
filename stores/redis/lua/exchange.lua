-- Settle what ended, then claim what is ready, then look around.

-- --- settle ---------------------------------------------------------------------------------

local function take_settlements()
  local settlements, ids = {}, {}
  for n = 1, take_number() do
    settlements[n] = {take(), take(), take(), take(), take()}
    ids[n] = settlements[n][2]
  end
  read_tasks(ids)
  return settlements
end

-- Whether the lease was the task's, and so the settlement was written.
local function settle(kind, id, lease, last, extra)
  local task = load(id)
  if not task or task.lease ~= lease then return false end
  if kind == 'done' then
    finish(task, 'completed', last, extra)
  elseif kind == 'cancelled' then
    finish(task, 'cancelled', last)
  elseif kind == 'retry' then
    retry(task, tonumber(extra), last)
  elseif kind == 'dead' then
    die(task, last)
  else
    put_back(task)
    tell(task.queue)
  end
  return true
end

-- --- claim ----------------------------------------------------------------------------------

local node, first_incarnation, next_counter, types
local claimed = {}

local function is_wanted(kind)
  return not types or types[string.match(kind, '^(.*)\n')]
end

-- The lanes of a queue that are wanted, by priority, high first: {{kind, ...}, ...}.
local function wanted_lanes(queue)
  local groups, last_priority = {}, nil
  for _, kind in ipairs(lanes_of(queue)) do
    if is_wanted(kind) then
      local priority = string.match(kind, '\n(.*)$')
      if priority ~= last_priority then
        groups[#groups + 1] = {}
        last_priority = priority
      end
      table.insert(groups[#groups], kind)
    end
  end
  return groups
end

local function is_before(one, two)
  if one.due ~= two.due then return one.due < two.due end
  return one.member < two.member
end

-- The first `limit` of these lanes together that are due.
local function heads(queue, kinds, limit)
  local found = {}
  for _, kind in ipairs(kinds) do
    local lane = redis.call(
      'ZRANGEBYSCORE', lane_key(queue, kind), '-inf', now_text, 'WITHSCORES', 'LIMIT', 0, limit
    )
    for n = 1, #lane, 2 do
      found[#found + 1] = {member = lane[n], due = tonumber(lane[n + 1]), kind = kind}
    end
  end
  if #kinds > 1 then table.sort(found, is_before) end
  return found
end

local function take_over(ids)
  read_tasks(ids)
  for _, id in ipairs(ids) do
    local task = load(id)
    if task then
      task.began = now_text
      claimed[#claimed + 1] = hand_over(task, node, lease_of(first_incarnation, next_counter))
      next_counter = next_counter + 1
    else -- it cannot be read, or somebody else has deleted its key
      set_aside(id)
    end
  end
end

-- Whether a queue gave all that was asked of it.
local function claim(queue, limit)
  if redis.call('SISMEMBER', JOBS .. ':paused', queue) == 1 then return limit == 0 end
  for _, kinds in ipairs(wanted_lanes(queue)) do
    if limit == 0 then break end
    local found, ids = heads(queue, kinds, limit), {}
    for n = 1, math.min(limit, #found) do
      leave_lane(queue, found[n].kind, found[n].member)
      ids[n] = string.sub(found[n].member, 16)
    end
    take_over(ids)
    limit = limit - #ids
  end
  flush()
  return limit == 0
end

local function take_types()
  local count = take_number()
  if count < 0 then return nil end
  local wanted = {}
  for _ = 1, count do wanted[take()] = true end
  return wanted
end

-- --- exchange -------------------------------------------------------------------------------

local refused = {}
for n, settlement in ipairs(take_settlements()) do
  if not settle(unpack(settlement)) then refused[#refused + 1] = n - 1 end
end
flush()

node = take_optional()
local more, wants_survey = {}, false
if node then
  first_incarnation, next_counter, types = take_number(), take_number(), take_types()
  local gone = is_gone(find_node(node), first_incarnation)
  for _ = 1, take_number() do
    local queue, limit = take(), take_number()
    if gone or not claim(queue, limit) then
      wants_survey = wants_survey or (limit > 0 and not gone)
    elseif limit > 0 then
      more[#more + 1] = queue
    end
  end
end
wants_survey = take() == '1' or wants_survey
send_hints()
return with_aside({refused, with_rows(claimed), more, wants_survey and survey() or false})
