-- leave.lua: a session ends of its own accord. What it still owns is as good as
-- lost, without waiting for the lease: the next tick finds it.
-- include: base
-- flags: allow-oom
--
-- KEYS[1]   prefix of the partition
-- ARGV[1]   session
-- ARGV[2]   group
-- ARGV[3..] queues
--
-- Returns {'OK'}.
call('HLEN', T .. 'last')
call('HLEN', T .. 'workers')
call('ZREM', T .. 'sess', ARGV[1])
call('HDEL', T .. 'last', ARGV[1], ARGV[1] .. '\1', ARGV[1] .. '\2', ARGV[1] .. '\3')
call('HDEL', T .. 'workers', ARGV[1])
call('DEL', T .. 'revoked:' .. ARGV[1], T .. 'scan')
for i = 3, #ARGV do pcall('SREM', T .. 'idle:' .. ARGV[i] .. ':' .. ARGV[2], ARGV[1]) end
return { 'OK' }
