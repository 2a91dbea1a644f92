-- A new incarnation of a node.

local name, beat_s, restarted, first = take(), take(), take() == '1', take_number()

-- A server that was emptied shall not give the numbers again that it gave before.
redis.call('HSETNX', JOBS .. ':counters', 'incarnation', first)
local incarnation = redis.call('HINCRBY', JOBS .. ':counters', 'incarnation', 1)
write_node(name, incarnation, beat_s)
if restarted then
  put_back_of(name, function(lease) return incarnation_of(lease) < incarnation end)
end
flush()
send_hints()
return with_aside(incarnation)
