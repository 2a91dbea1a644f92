-- Take new tasks; one outcome each.

local outcomes = {}
for n = 1, take_number() do outcomes[n] = add() end
send_hints()
return outcomes
