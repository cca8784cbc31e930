-- agenda.lua: looks at the schedules, if they have changed.
-- include: base now
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  version that the caller has seen; '' for none
--
-- Returns {'OK', now, version, schedules, fired}: fields and values of both hashes,
-- which are left out if the version is the one that was seen.
local version = call('GET', T .. 'cronv') or '0'
if version == ARGV[1] then return { 'OK', now(), version } end
return { 'OK', now(), version, call('HGETALL', T .. 'cron'), call('HGETALL', T .. 'fired') }
