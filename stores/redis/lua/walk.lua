-- Several queues at once, in the order of what they hold.

local CHUNK = 100

local function range(key, from, backwards)
  local command = backwards and 'ZREVRANGE' or 'ZRANGE'
  return redis.call(command, key, from, from + CHUNK - 1, 'WITHSCORES')
end

local function is_first(one, two, backwards)
  if backwards then one, two = two, one end
  if one.score ~= two.score then return one.score < two.score end
  return one.member < two.member
end

local function advance(source, backwards)
  if not source.chunk[source.at] then
    source.chunk = range(source.key, source.from, backwards)
    source.from, source.at = source.from + CHUNK, 1
  end
  source.member = source.chunk[source.at]
  source.score = tonumber(source.chunk[source.at + 1] or 0)
  source.at = source.at + 2
end

-- Visit the members of these sorted sets by score and member, until `visit` returns true.
local function walk(keys, backwards, visit)
  local sources = {}
  for n, key in ipairs(keys) do
    sources[n] = {key = key, from = 0, chunk = {}, at = 1}
    advance(sources[n], backwards)
  end
  while true do
    local first
    for _, source in ipairs(sources) do
      if source.member and (not first or is_first(source, first, backwards)) then first = source end
    end
    if not first or visit(first.member) then return end
    advance(first, backwards)
  end
end

-- The keys of one queue, or of all that `registry` names.
local function queue_keys(kind, queue, registry)
  local names = queue and {queue} or redis.call('SMEMBERS', JOBS .. ':' .. registry)
  local keys = {}
  for n, name in ipairs(names) do keys[n] = key_of(kind, name) end
  return keys
end
