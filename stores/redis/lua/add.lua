-- Take new tasks; one outcome each.

local outcomes, count = {}, take_number()
reserve(count)
for n = 1, count do outcomes[n] = add() end
flush()
send_hints()
return outcomes
