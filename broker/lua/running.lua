-- running.lua: attempts that run, some at a time. Reads only.
-- include: base head
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  cursor, 0 to begin
-- ARGV[2]  about how many
--
-- Returns {'OK', the next cursor, 0 at the end, and in turn ID, who runs it (8), since when
-- (6), its list}. The list is '' of one that has gone, and of the rest if their jobs are large.
local MAXBYTES = 4194304
local got = call('HSCAN', T .. 'own', ARGV[1], 'COUNT', ARGV[2])
local out, bytes = {}, 0
for i = 1, #got[2], 2 do
  local id, own = got[2][i], got[2][i + 1]
  if #id == 16 and #own >= 17 then
    local v, n = bytes < MAXBYTES and call('HGET', T .. 'jobs', id) or '', #out
    bytes = bytes + #v
    out[n + 1], out[n + 2], out[n + 3] = id, sub(own, 1, 8), sub(own, 12, 17)
    out[n + 4] = #v >= 15 and pendOf(v) or ''
  end
end
return { 'OK', got[1], out }
