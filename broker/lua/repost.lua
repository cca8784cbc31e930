-- repost.lua: nothing -> ready. A dead letter's call is posted as a new job, with another
-- payload perhaps, and the dead letter goes.
-- include: base bytes now head fields count send bell ring push put guard forget
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  dead letter
-- ARGV[2]  its epoch (3)
-- ARGV[3]  ID of the new job: the same again changes nothing
-- ARGV[4]  new job as it is stored
-- ARGV[5]  its pend name
-- ARGV[6]  its unique key or ''
-- ARGV[7]  digest of its idempotency key or ''
-- ARGV[8]  digest of function and payload
-- ARGV[9]  1: the dead letter is kept
--
-- Returns {'OK', a letter and an ID}: N it is posted, now or before; U that job holds the
-- unique key; L there is no dead letter of that epoch any more; W it is a node of a run that
-- goes on, and so must be kept. Then nothing was changed.
local id, new, keep = ARGV[1], ARGV[3], ARGV[9] == '1'
if known(new) then return { 'OK', 'N' .. new } end
local v = call('HGET', T .. 'jobs', id)
if not sound(v) or byte(v, 6) < DEAD or sub(v, 7, 9) ~= ARGV[2] then return { 'OK', 'L' .. id } end
if not keep and needed(id) then return { 'OK', 'W' .. id } end
local holder = ARGV[6] ~= '' and call('HGET', T .. 'unique', ARGV[6])
if holder and call('HEXISTS', T .. 'jobs', holder) == 1 then return { 'OK', 'U' .. holder } end
guard()
call('LLEN', T .. 'pend:' .. ARGV[5])
call('SCARD', T .. 'live:' .. queueOf(ARGV[5]))

-- Moves.
if not keep then forget(id, v) end
put(new, ARGV[4], ARGV[5], 0)
if ARGV[6] ~= '' then call('HSET', T .. 'unique', ARGV[6], new) end
if ARGV[7] ~= '' then call('SET', T .. 'idem:' .. ARGV[7], new .. ARGV[8]) end
flushPuts()
flushPushes()
ringPushed(false)
flushCounts()
return { 'OK', 'N' .. new }
