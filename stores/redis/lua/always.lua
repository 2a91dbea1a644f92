-- A server that has no memory left refuses a script's first write, unless it takes none, and none
-- after that. What makes room (to join, to claim, to settle, to cancel) is not to be refused.

redis.call('DEL', JOBS .. ':none')
