-- suspend.lua: a schedule is paused, or goes on. What would have fired meanwhile is not missed.
-- include: base now bytes cron
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  name
-- ARGV[2]  1 to pause it, 0 to let it go on
--
-- Returns {'OK'} | {'NONE'}: there is none, or it is damaged; nothing was changed.
cronGuard()
local v, f = cronOf(ARGV[1])
if not v then return { 'NONE' } end
if sub(v, 7, 7) ~= ARGV[2] then
  if ARGV[2] == '0' then markAt(ARGV[1], f, now()) end
  call('HSET', T .. 'cron', ARGV[1], revised() .. ARGV[2] .. sub(v, 8))
end
return { 'OK' }
