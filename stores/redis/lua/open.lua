-- The version of what is kept here: that of whoever came first.

redis.call('HSETNX', JOBS .. ':counters', 'schema', take())
return redis.call('HGET', JOBS .. ':counters', 'schema')
