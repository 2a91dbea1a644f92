-- Take over up to so many tasks of those who are gone, and forget the dead without any.

local rescuer, incarnation, counter, limit = take(), take_number(), take_number(), take_number()
local rescued = {}

local function rescue_from(name, node)
  for lease, id in pairs(leases_of(name)) do
    if #rescued >= limit then return end
    if is_gone(node, incarnation_of(lease)) then
      local task = task_under(name, lease, id)
      if task then
        later(batch('HDEL', key_of('leases', name)), lease)
        rescued[#rescued + 1] = hand_over(task, rescuer, lease_of(incarnation, counter))
        counter = counter + 1
      end
    end
  end
end

if is_gone(find_node(rescuer), incarnation) then return with_aside(rescued) end
for _, name in ipairs(redis.call('HKEYS', JOBS .. ':nodes')) do
  local node = find_node(name)
  rescue_from(name, node)
  flush()
  if not (node and is_alive(node)) and redis.call('EXISTS', key_of('leases', name)) == 0 then
    redis.call('HDEL', JOBS .. ':nodes', name)
  end
end
return with_aside(with_rows(rescued))
