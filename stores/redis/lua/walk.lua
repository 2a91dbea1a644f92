-- Several sorted sets at once, in the order of what they hold: by score, then by member.

local READ_MAX = 100 -- of one set at once; fewer where there are many

-- How many members stand before one, which need not be there any more; `with_it`: up to and with it.
local function rank_of(key, score, member, with_it)
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local high = redis.call('ZCOUNT', key, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = redis.call('ZRANGE', key, middle, middle)[1]
    if found < member or with_it and found == member then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

-- The place of the first member behind (score, member), from the end that one goes from.
local function place_behind(key, mark, backwards)
  if not mark then return 0 end
  local rank = rank_of(key, mark[1], mark[2], not backwards)
  return backwards and redis.call('ZCARD', key) - rank or rank
end

local function is_first(one, two, backwards)
  if backwards then one, two = two, one end
  if one.score ~= two.score then return one.score < two.score end
  return one.member < two.member
end

local function advance(source, size, backwards)
  if not source.chunk[source.at] then
    local command, from = backwards and 'ZREVRANGE' or 'ZRANGE', source.from
    source.chunk = redis.call(command, source.key, from, from + size - 1, 'WITHSCORES')
    source.from, source.at = from + size, 1
  end
  source.member = source.chunk[source.at]
  source.score = tonumber(source.chunk[source.at + 1] or 0)
  source.at = source.at + 2
end

-- Sources are a heap. Let one of them sink to where it belongs.
local function sink(heap, at, backwards)
  while true do
    local first = at
    for child = 2 * at, 2 * at + 1 do
      if heap[child] and is_first(heap[child], heap[first], backwards) then first = child end
    end
    if first == at then return end
    heap[at], heap[first] = heap[first], heap[at]
    at = first
  end
end

-- Visit the members of these sorted sets, behind a mark {score, member}, until `visit` returns true.
local function walk(keys, backwards, mark, visit)
  local heap, size = {}, math.max(1, math.min(READ_MAX, math.floor(1000 / #keys)))
  for _, key in ipairs(keys) do
    local source = {key = key, from = place_behind(key, mark, backwards), chunk = {}, at = 1}
    advance(source, size, backwards)
    if source.member then heap[#heap + 1] = source end
  end
  for at = math.floor(#heap / 2), 1, -1 do sink(heap, at, backwards) end
  while heap[1] do
    if visit(heap[1].member, heap[1].score) then return end
    advance(heap[1], size, backwards)
    if not heap[1].member then
      heap[1] = heap[#heap]
      heap[#heap] = nil
    end
    sink(heap, 1, backwards)
  end
end

-- The keys of one queue, or of all that `registry` names.
local function queue_keys(kind, queue, registry)
  local names = queue and {queue} or redis.call('SMEMBERS', JOBS .. ':' .. registry)
  local keys = {}
  for n, name in ipairs(names) do keys[n] = key_of(kind, name) end
  return keys
end
