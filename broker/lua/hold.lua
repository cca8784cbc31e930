-- hold.lua: a queue is paused, or goes on. Nothing of a paused one is claimed: PAUSED
-- stands among the names of its lists, which every claim reads.
-- include: base send bell ring
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  queue
-- ARGV[2]  how often it will have been paused and let go on, an odd number to pause it:
--   the same or an earlier number changes nothing
--
-- Returns {'OK', how often it has been}.
local times = tonumber(call('HGET', T .. 'held', ARGV[1]) or 0) or 0
if times >= tonumber(ARGV[2]) then return { 'OK', times } end
local live = call('SMEMBERS', T .. 'live:' .. ARGV[1])
call('SCARD', T .. 'queues')
call('HSET', T .. 'held', ARGV[1], ARGV[2])
call('SADD', T .. 'queues', ARGV[1])
if tonumber(ARGV[2]) % 2 == 1 then
  call('SADD', T .. 'live:' .. ARGV[1], PAUSED)
else
  call('SREM', T .. 'live:' .. ARGV[1], PAUSED)
  for i = 1, math.min(#live, 64) do ring(ARGV[1] .. ':' .. live[i]) end
end
return { 'OK', tonumber(ARGV[2]) }
