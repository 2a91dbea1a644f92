-- Change schedules; whether each change applied.

local function apply()
  local kind, id, row, next = take(), take(), take(), take_optional()
  local number, changes = take(), take_number()
  if kind == 'add' then return add_job(id, row, next) end
  if kind == 'remove' then return remove_job(id) end
  local job = job_at(id, number, changes)
  if job then replace_job(job, row, next) end
  return job
end

local applied = {}
for n = 1, take_number() do applied[n] = apply() and 1 or 0 end
return applied
