-- arrange.lua: schedules are made, or replace those of their names, which stay paused if
-- they are and go on from where they were unless they fire at other times now.
-- include: base now bytes cron
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  1 if a program declares them: what it has declared before is not
--   declared anew, and keeps what was changed since
-- ARGV[2]  how many schedules there may be
-- ARGV[3..]  for each, at most 100: name, digest of when it fires, digest of all, what Go reads
--
-- Returns {'OK'} | {'FULL'}: nothing was changed.
cronGuard()
local more, seen = 0, {}
for a = 3, #ARGV, 4 do
  if not seen[ARGV[a]] and call('HEXISTS', T .. 'cron', ARGV[a]) == 0 then more = more + 1 end
  seen[ARGV[a]] = true
end
if more > 0 and call('HLEN', T .. 'cron') + more > tonumber(ARGV[2]) then return { 'FULL' } end
local time = now()
for a = 3, #ARGV, 4 do
  local name, timing, digest, body = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local v, f = cronOf(name)
  local origin = v and sub(v, 16, 23) or string.rep('\0', 8)
  local same = v and f and (ARGV[1] == '1' and origin == digest or ARGV[1] ~= '1' and sub(v, 24) == body)
  if not same then
    if ARGV[1] == '1' then origin = digest end
    if not v or not f or sub(v, 8, 15) ~= timing then markAt(name, f, time) end
    call('HSET', T .. 'cron', name, revised() .. (v and sub(v, 7, 7) or '0') .. timing .. origin .. body)
  end
end
return { 'OK' }
