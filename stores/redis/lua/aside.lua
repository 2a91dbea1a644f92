-- What cannot be read is set aside: held, with the reason and with what stood there, until somebody
-- resumes or cancels it. Where it stands and its row still tell what it was.

local aside = {} -- ids and reasons, in turn

-- Its queue and number; when it waits, its lane and when it is due; when it is held, its priority.
local function place_of(id)
  for _, queue in ipairs(redis.call('SMEMBERS', JOBS .. ':queues')) do
    local number = redis.call('ZSCORE', key_of('live', queue), id)
    if number then
      local place = {queue = queue, number = string.format('%015d', number)}
      place.priority = redis.call('ZSCORE', key_of('held', queue), id) or nil
      for _, kind in ipairs(lanes_of(queue)) do
        local due = redis.call('ZSCORE', lane_key(queue, kind), place.number .. id)
        if due then place.kind, place.due = kind, text_of(tonumber(due)) end
      end
      return place
    end
  end
end

local function text_or_nil(value)
  return type(value) == 'string' and value ~= '' and value or nil
end

-- Its type, unique key and job, and the size of its payload.
local function read_row(id)
  local row = get_all({key_of('row', id)})[1] or ''
  local head_size = string.find(row, '\n', 1, true) or 0
  local is_json, head = pcall(cjson.decode, string.sub(row, 1, head_size))
  if not is_json or type(head) ~= 'table' then head = {} end
  return text_or_nil(head[1]), text_or_nil(head[10]), text_or_nil(head[12]), #row - head_size
end

-- The task as it is held from now on. Nil: it can be read, or is not live, or runs, unless `is_free`.
local function set_aside(id, is_free)
  local place = spoilt[id] and place_of(id)
  if not (place and (place.kind or place.priority or is_free)) then return nil end
  local kind, priority = string.match(place.kind or '', '^(.*)\n(.*)$')
  local row_type, key, job, size = read_row(id)
  local task = {
    id = id, queue = place.queue, number = place.number, state = 'held', size = size, job = job,
    type = kind or row_type or '', priority = priority or place.priority or '5', -- of what ran: normal
    key = key_holder(place.queue, key) == id and key or nil, due = place.due or now_text, tries = 0,
    error = spoilt[id].why, last = cjson.encode({cjson.null, spoilt[id].why, cjson.null}),
    was = spoilt[id].text,
  }
  if place.kind then leave_lane(place.queue, place.kind, place.number .. id) end
  save(task)
  hold(task)
  aside[#aside + 1] = id
  aside[#aside + 1] = task.error
  return task
end

-- What a script answers that may have set tasks aside.
local function with_aside(answer)
  return {answer, aside}
end
