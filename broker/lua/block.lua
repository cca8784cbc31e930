-- block.lua: a running attempt waits for other jobs, or does so no more.
-- include: base
-- flags: allow-oom
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  ID
-- ARGV[2]  session and epoch
-- ARGV[3]  its depth (2) and IDs it waits for, beside those it waits for already;
--          '' for none any more
--
-- Returns {'OK'}, or {'LOST'}: another owns the job; nothing was changed.
local LONG = 320000 -- past this, older edges are forgotten
local own = call('HGET', T .. 'own', ARGV[1])
if not own or sub(own, 1, 11) ~= ARGV[2] then return { 'LOST' } end
if ARGV[3] == '' then
  call('HDEL', T .. 'waits', ARGV[1])
else
  local old, new = call('HGET', T .. 'waits', ARGV[1]) or '', ARGV[3]
  if #old > LONG then old = '' end
  if sub(old, 1, #new) ~= new then call('HSET', T .. 'waits', ARGV[1], new .. sub(old, 3)) end
end
return { 'OK' }
