-- The node stops; how many tasks it held.

local name, incarnation = take(), take_number()
local node = find_node(name)
if not node or node.incarnation ~= incarnation then return with_aside(0) end
redis.call('HDEL', JOBS .. ':nodes', name)
local count = put_back_of(name, function() return true end)
flush()
send_hints()
return with_aside(count)
