-- Writes are gathered and sent in few commands: one of many arguments costs a fraction of many.
--
-- Until `flush` they are not seen by reads. Of one key, all that was gathered for one command is sent
-- together, in the order of the commands' first use: nothing may leave a sorted set and come back
-- twice between two flushes.

local CHUNK = 2000 -- arguments that a command is given at once; Lua's stack ends at 8000

local batches, batches_of = {}, {} -- in order, and by command and key

-- What `command` is to be given, for the key where it has one for all its arguments.
local function batch(command, key)
  local of_command = batches_of[command]
  if not of_command then
    of_command = {}
    batches_of[command] = of_command
  end
  local found = of_command[key or '']
  if not found then
    found = {command = command, key = key, size = 0}
    of_command[key or ''] = found
    batches[#batches + 1] = found
  end
  return found
end

local function later(list, one, two)
  local size = list.size + 1
  list[size] = one
  if two then
    size = size + 1
    list[size] = two
  end
  list.size = size
end

local function send(list)
  for from = 1, list.size, CHUNK do
    local to = math.min(from + CHUNK - 1, list.size)
    if list.key then
      redis.call(list.command, list.key, unpack(list, from, to))
    else
      redis.call(list.command, unpack(list, from, to))
    end
  end
end

local function send_batches()
  local sending = batches
  batches, batches_of = {}, {}
  for _, list in ipairs(sending) do send(list) end
end

-- The values of many keys, in order.
local function get_all(keys)
  local values = {}
  for from = 1, #keys, CHUNK do
    local to = math.min(from + CHUNK - 1, #keys)
    local found = redis.call('MGET', unpack(keys, from, to))
    for n = 1, to - from + 1 do values[from + n - 1] = found[n] end
  end
  return values
end
