-- note.lua: a running attempt says something of itself.
-- include: base
-- flags: allow-oom
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  ID
-- ARGV[2]  session and epoch
-- ARGV[3]  the note, as Go encodes it
-- ARGV[4]  its checkpoint, codec (1) and bytes; absent if it has none: then an earlier one stays
--
-- Returns {'OK'}, or {'LOST'}: another owns the job; nothing was changed.
local own = call('HGET', T .. 'own', ARGV[1])
if not own or sub(own, 1, 11) ~= ARGV[2] then return { 'LOST' } end
call('HLEN', T .. 'notes') -- both are looked at before one is written
if ARGV[4] then call('HSET', T .. 'saved', ARGV[1], ARGV[4]) end
call('HSET', T .. 'notes', ARGV[1], sub(own, 9, 11) .. ARGV[3]) -- the epoch tells whose it is
return { 'OK' }
