-- submit.lua: nothing -> ready, blocked. A whole run enters, or nothing of it.
-- include: base bytes now head count bell ring push put
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  run
-- ARGV[2]  nonce: the same run again with the same nonce changes nothing
-- ARGV[3]  how many fields of the run's hash; then field and value of each
-- then     how many nodes; then for each:
--   ID, stored job, pend name, 1 if it waits for parents
--
-- Returns {'OK'}, or {'CONFLICT'}: the ID belongs to another run; nothing was
-- changed.
local R = T .. 'run:' .. ARGV[1]
local nonce = call('HGET', R, 'nonce')
if nonce == ARGV[2] then return { 'OK' } end
if nonce then return { 'CONFLICT' } end

-- Checks.
call('HLEN', T .. 'jobs')
call('SCARD', T .. 'queues')
local fields = tonumber(ARGV[3])
local at = 4 + 2 * fields
local nodes = tonumber(ARGV[at])
for i = at + 1, at + 4 * nodes, 4 do
  call('LLEN', T .. 'pend:' .. ARGV[i + 2])
  call('SCARD', T .. 'live:' .. queueOf(ARGV[i + 2]))
end

-- Moves.
for i = 4, 3 + 2 * fields, 2 do call('HSET', R, ARGV[i], ARGV[i + 1]) end
call('HSET', R, 'nonce', ARGV[2], 'state', 'a', 'begun', now())
for i = at + 1, at + 4 * nodes, 4 do
  if ARGV[i + 3] == '1' then
    stored[#stored + 1], stored[#stored + 2] = ARGV[i], ARGV[i + 1]
    count(queueOf(ARGV[i + 2]), 'P', 1)
    count(queueOf(ARGV[i + 2]), 'b', 1)
  else
    put(ARGV[i], ARGV[i + 1], ARGV[i + 2], 0)
  end
end
flushPuts()
flushPushes()
ringPushed(false)
flushCounts()
return { 'OK' }
