-- records.lua: jobs of a bucket that have ended in a state, some at a time. Reads only.
-- include: base head
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  bucket
-- ARGV[2]  cursor, 0 to begin
-- ARGV[3]  about how many are looked at
-- ARGV[4]  state: S, C or K
-- ARGV[5]  queue, '' for all
--
-- Returns {'OK', the next cursor, 0 at the end, the IDs of those in that state}.
local got = call('HSCAN', T .. 'res:' .. ARGV[1], ARGV[2], 'COUNT', ARGV[3])
local out = {}
for i = 1, #got[2], 2 do
  local id, r = got[2][i], got[2][i + 1]
  if #id == 16 and #r >= 36 and sub(r, 1, 1) == ARGV[4] and (ARGV[5] == '' or queueOf(pendOf(sub(r, 22))) == ARGV[5]) then
    out[#out + 1] = id
  end
end
return { 'OK', got[1], out }
