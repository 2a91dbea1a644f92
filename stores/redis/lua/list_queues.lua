-- The queues that hold live tasks or dead letters or are paused.

return redis.call('SUNION', JOBS .. ':queues', JOBS .. ':graves', JOBS .. ':paused')
