-- Where there is work: the queues with live tasks, and when the next delayed task is due.

local function survey()
  local queues, due = redis.call('SMEMBERS', JOBS .. ':queues'), nil
  for _, queue in ipairs(queues) do
    for _, kind in ipairs(lanes_of(queue)) do
      local found = redis.call(
        'ZRANGEBYSCORE', lane_key(queue, kind), '(' .. now_text, '+inf', 'WITHSCORES', 'LIMIT', 0, 1
      )
      if found[2] then due = math.min(due or math.huge, tonumber(found[2])) end
    end
  end
  return {queues, due and due - now or false}
end
