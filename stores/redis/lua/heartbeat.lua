-- Note that nodes live; one answer each.

local function beat(name, incarnation)
  local node = find_node(name)
  if not node then return 'lost' end
  if node.incarnation > incarnation then return 'superseded' end
  -- Who beats is no relic of before the clock was set back.
  if now >= node.beat_at and not is_alive(node) then return 'lost' end
  write_node(name, node.incarnation, node.beat_s)
  return 'alive'
end

local pulses = {}
for n = 1, take_number() do pulses[n] = beat(take(), take_number()) end
return pulses
