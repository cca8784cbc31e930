-- pause.lua: nothing new of a run starts until it is resumed; what runs goes on.
-- include: base
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  run
--
-- Returns {'OK', state}: a, it is paused; S F C, it has ended so; ?, unknown. Then
-- nothing was changed.
local key = T .. 'run:' .. ARGV[1]
local state = call('HGET', key, 'state')
if state == 'a' or state == 'r' then
  call('HSET', key, 'paused', '1')
  state = 'a'
end
if not state or state == '-' or state == 'x' then state = '?' end
return { 'OK', state }
