-- What every script begins with: its keys, its arguments, the time, and what is told at its end.
--
-- All keys lie under one hash tag. Numbers beyond 2^53 never come here: leases and versions are
-- pairs. `..` would round a time to 14 digits, so what is written is `text_of` it.

local JOBS, TIMES = KEYS[1], KEYS[2]

local arguments_read = 0

local function take()
  arguments_read = arguments_read + 1
  return ARGV[arguments_read]
end

local function take_number()
  return tonumber(take())
end

-- Nothing that is optional may be empty, so an empty argument is none.
local function take_optional()
  local argument = take()
  return argument ~= '' and argument or nil
end

-- The time in microseconds is the server's; only tests give one.
local function read_now()
  local given = take_optional()
  if given then return tonumber(given) end
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function text_of(number)
  return string.format('%.0f', number)
end

local now = read_now()
local now_text = text_of(now)
local sender = take()
local result_ttl_ms = take_number()

local function key_of(kind, name)
  return JOBS .. ':' .. kind .. ':' .. name
end

-- Other processes are told by one entry a queue; an empty name means that anything may be ready.
local HINTS_MAX = 8
local hints, hints_count = {}, 0

local function tell(queue)
  if not hints[queue] then
    hints[queue] = true
    hints_count = hints_count + 1
  end
end

local function send_hints()
  if hints_count > HINTS_MAX then hints = {[''] = true} end
  for queue in pairs(hints) do
    redis.call('XADD', JOBS .. ':hints', 'MAXLEN', '~', 128, '*', 'from', sender, 'queue', queue)
  end
end
