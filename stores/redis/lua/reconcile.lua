-- Put back what only the store has; name what only the claimer has, by its place in the arguments.

local name, incarnation = take(), take_number()
local mine, held, void = leases_of(name), {}, {}
for n = 1, take_number() do
  local lease = take()
  held[lease] = true
  if not mine[lease] then void[#void + 1] = n - 1 end
end
local returned = put_back_of(name, function(lease)
  return incarnation_of(lease) == incarnation and not held[lease]
end)
flush()
send_hints()
return with_aside({void, returned})
