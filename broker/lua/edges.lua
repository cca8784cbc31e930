-- edges.lua: what running attempts wait for. Reads only.
-- include: base
--
-- KEYS[1]   prefix of the partition
-- ARGV[1..] IDs
--
-- Returns for each ID its depth (2) and the IDs it waits for, '' if it does not.
local out = {}
for i, id in ipairs(ARGV) do
  out[i] = call('HEXISTS', T .. 'own', id) == 1 and call('HGET', T .. 'waits', id) or ''
end
return out
