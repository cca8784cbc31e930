-- drop.lua: a schedule is no more. Its jobs stay.
-- include: base bytes cron
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  name
--
-- Returns {'OK'}, whether there was one or not.
cronGuard()
if call('HDEL', T .. 'cron', ARGV[1]) + call('HDEL', T .. 'fired', ARGV[1]) > 0 then revised() end
return { 'OK' }
