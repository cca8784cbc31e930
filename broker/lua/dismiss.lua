-- dismiss.lua: a session is asked to end: now by a message, and by each of its beats.
-- include: base
-- flags: allow-oom
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  session
-- ARGV[2]  what stands among its cancelled attempts then
--
-- Returns {'OK'}. {'GONE'}: no such session.
local REMIND = '86400000' -- ms: several beats of any lease
if not call('ZSCORE', T .. 'sess', ARGV[1]) then return { 'GONE' } end
call('SADD', T .. 'revoked:' .. ARGV[1], ARGV[2])
call('PEXPIRE', T .. 'revoked:' .. ARGV[1], REMIND)
call(PUBLISH, T .. 'in:' .. ARGV[1], 'Q')
return { 'OK' }
