-- peek.lua: the first bytes of the values of a hash, some fields at a time. Reads
-- only.
-- include: base
-- flags: no-writes
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  the hash, without the prefix
-- ARGV[2]  cursor, 0 to begin
-- ARGV[3]  about how many fields
-- ARGV[4]  how many bytes of each value
--
-- Returns the next cursor, 0 at the end, and for each field its name, the length
-- of its value, and the first bytes of it.
local got = call('HSCAN', T .. ARGV[1], ARGV[2], 'COUNT', ARGV[3])
local out = {}
for i = 1, #got[2], 2 do
  local v, n = got[2][i + 1], #out
  out[n + 1], out[n + 2], out[n + 3] = got[2][i], #v, sub(v, 1, tonumber(ARGV[4]))
end
return { got[1], out }
