-- spread.lua: the job of a map stores elements of its list, for its children.
-- include: base
--
-- KEYS[1]   prefix of the partition
-- ARGV[1]   ID
-- ARGV[2]   session and epoch
-- ARGV[3..] fields and values in turn: see broker/list.go
--
-- Returns {'OK'}, or {'LOST'}: another owns the job; nothing was changed.
local own = call('HGET', T .. 'own', ARGV[1])
if not own or sub(own, 1, 11) ~= ARGV[2] then return { 'LOST' } end
for i = 3, #ARGV, 2 do call('HSET', T .. 'res:' .. sub(ARGV[1], 7, 11), ARGV[i], ARGV[i + 1]) end
return { 'OK' }
