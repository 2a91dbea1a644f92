-- Who has joined: {name, incarnation, interval, silence in microseconds, whether it lives}.

local views = {}
for _, name in ipairs(redis.call('HKEYS', JOBS .. ':nodes')) do
  local node = find_node(name)
  if node then
    views[#views + 1] = {
      name, node.incarnation, node.beat_s, now - node.beat_at, is_alive(node) and 1 or 0,
    }
  end
end
return views
