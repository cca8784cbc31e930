-- block.lua: a running attempt waits for other jobs, or does so no more.
-- include: base
-- flags: allow-oom
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  ID
-- ARGV[2]  session and epoch
-- ARGV[3]  its depth (2) and IDs it waits for; '' for none any more
-- ARGV[4]  1: that is all it waits for; else beside what it waits for already
--
-- Returns {'OK', what it waited for before it waited for these too}, or {'LOST'}:
-- another owns the job; nothing was changed.
local LONG = 320000 -- past this, older edges are forgotten
local own = call('HGET', T .. 'own', ARGV[1])
if not own or sub(own, 1, 11) ~= ARGV[2] then return { 'LOST' } end
local old, new = call('HGET', T .. 'waits', ARGV[1]) or '', ARGV[3]
if new == '' then
  old = ''
  call('HDEL', T .. 'waits', ARGV[1])
elseif ARGV[4] == '1' then
  old = ''
  call('HSET', T .. 'waits', ARGV[1], new)
elseif sub(old, 1, #new) == new then -- it was noted, and the answer was lost
  old = #old > #new and sub(old, 1, 2) .. sub(old, #new + 1) or ''
else
  if #old > LONG then old = '' end
  call('HSET', T .. 'waits', ARGV[1], new .. sub(old, 3))
end
return { 'OK', old }
