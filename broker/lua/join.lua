-- join.lua: a session begins, or says again what it can do.
-- include: base bytes now
-- flags: allow-oom
--
-- KEYS[1]   prefix of the partition
-- ARGV[1]   session
-- ARGV[2]   lease, ms
-- ARGV[3]   group
-- ARGV[4]   what the worker says of itself, as Go encodes it
-- ARGV[5]   how long a group is remembered after it was last seen, ms
-- ARGV[6..] names in pairs: queue, and function or * for listeners
--
-- Returns {'OK'}.
local time = now()
local longest = tonumber(call('GET', T .. 'lease') or 0) or 0
call('ZCARD', T .. 'sess')
call('HLEN', T .. 'own')
call('HLEN', T .. 'last')
call('SCARD', T .. 'queues')
for i = 6, #ARGV, 2 do call('ZCARD', T .. 'groups:' .. ARGV[i] .. ':' .. ARGV[i + 1]) end
call('HSET', T .. 'workers', ARGV[1], ARGV[4])
if tonumber(ARGV[2]) > longest then call('SET', T .. 'lease', ARGV[2]) end
call('ZADD', T .. 'sess', int(time + tonumber(ARGV[2])), ARGV[1])
call('HSETNX', T .. 'last', ARGV[1], '0  0 ')
-- One long value makes Redis keep the hash as a table: small ones are searched
-- from end to end for each deletion.
call('HSETNX', T .. 'own', '', string.rep('.', 65))
for i = 6, #ARGV, 2 do
  local key = T .. 'groups:' .. ARGV[i] .. ':' .. ARGV[i + 1]
  call('ZREMRANGEBYSCORE', key, '-inf', time - tonumber(ARGV[5]))
  call('ZADD', key, time, ARGV[3])
  call('PEXPIRE', key, ARGV[5])
  call('SADD', T .. 'queues', ARGV[i])
end
return { 'OK' }
