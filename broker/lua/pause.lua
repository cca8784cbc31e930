-- pause.lua: nothing new of a run starts until it is resumed; what runs goes on.
-- include: base
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  run
-- ARGV[2]  how many times it was resumed: after another time this changes nothing
--
-- Returns {'OK', state}: a, it is paused; S F C, it has ended so; ?, unknown. Then
-- nothing was changed.
local key = T .. 'run:' .. ARGV[1]
local state, times = unpack(call('HMGET', key, 'state', 'again'))
if state == 'a' or state == 'r' then
  if tonumber(times or 0) == tonumber(ARGV[2]) then call('HSET', key, 'paused', '1') end
  state = 'a'
end
if not state or state == '-' or state == 'x' then state = '?' end
return { 'OK', state }
