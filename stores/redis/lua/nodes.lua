-- Who has joined, and whether somebody is still behind a lease.
--
--   nodes           by name: incarnation, interval of heartbeats in seconds, last heartbeat
--
-- A lease is 'incarnation-counter', both padded, so that leases compare as text.

local BEATS_MISSED_MAX = 4

local function lease_of(incarnation, counter)
  return string.format('%07d-%013d', incarnation, counter)
end

local function incarnation_of(lease)
  return tonumber(string.sub(lease, 1, 7)) or 0
end

local function read_node(text)
  local incarnation, beat_s, beat_at = string.match(text or '', '^(%d+) (%S+) (%d+)$')
  if not incarnation or (beat_s ~= '-' and not tonumber(beat_s)) then return nil end
  return {
    incarnation = tonumber(incarnation), beat_s = beat_s, beat_us = tonumber(beat_s),
    beat_at = tonumber(beat_at),
  }
end

-- Nil where it has not joined; or is to join anew, as what is noted of it cannot be read.
local function find_node(name)
  return read_node(redis.call('HGET', JOBS .. ':nodes', name))
end

local function write_node(name, incarnation, beat_s)
  local text = string.format('%d %s %s', incarnation, beat_s, now_text)
  redis.call('HSET', JOBS .. ':nodes', name, text)
end

local function is_alive(node)
  if not node.beat_us then return true end
  local silent_us, beat_us = now - node.beat_at, node.beat_us * 1000000
  return -beat_us < silent_us and silent_us < BEATS_MISSED_MAX * beat_us
end

local function is_gone(node, incarnation)
  return not node or incarnation < node.incarnation or not is_alive(node)
end

-- The leases of a node as a table from lease to id.
local function leases_of(name)
  local pairs_found, leases = redis.call('HGETALL', key_of('leases', name)), {}
  for n = 1, #pairs_found, 2 do leases[pairs_found[n]] = pairs_found[n + 1] end
  return leases
end

-- The task under a node's lease. Where there is none, or it cannot be read, the lease is void.
local function task_under(name, lease, id)
  local task = load(id)
  if task and task.lease == lease then return task end
  later(batch('HDEL', key_of('leases', name)), lease)
  set_aside(id, true)
end

-- Put back what a node holds and `which(lease)` picks; how many.
local function put_back_of(name, which)
  local count = 0
  for lease, id in pairs(leases_of(name)) do
    local task = which(lease) and task_under(name, lease, id)
    if task then
      put_back(task)
      count = count + 1
    end
  end
  if count > 0 then tell('') end
  return count
end

-- Make it the node's; what `claimed_of` in Python reads, but for the row.
local function hand_over(task, name, lease)
  later(batch('HSET', key_of('leases', name)), lease, task.id)
  task.state, task.lease, task.node = 'running', lease, name
  save(task)
  return {task.id, task.queue, task.priority, lease, task.tries, task.due, task.began}
end

-- What was handed over, whole.
local function with_rows(claimed)
  local keys = {}
  for n, each in ipairs(claimed) do keys[n] = key_of('row', each[1]) end
  for n, row in ipairs(get_all(keys)) do table.insert(claimed[n], row) end
  return claimed
end
