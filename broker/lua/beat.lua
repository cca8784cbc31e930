-- beat.lua: a session lives: one score, whatever it holds.
-- include: base now
-- flags: allow-oom
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  session
-- ARGV[2]  lease, ms
--
-- Returns {'OK', IDs and epochs}: the session's attempts that were cancelled lately,
-- some perhaps for the second time. {'GONE'}: no such session.
if not call('ZSCORE', T .. 'sess', ARGV[1]) then return { 'GONE' } end
local revoked = call('SMEMBERS', T .. 'revoked:' .. ARGV[1])
call('ZADD', T .. 'sess', now() + tonumber(ARGV[2]), ARGV[1])
return { 'OK', table.concat(revoked) }
