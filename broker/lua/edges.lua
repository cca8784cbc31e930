-- edges.lua: what jobs wait for. Reads only.
-- include: base bytes head fields
--
-- KEYS[1]   prefix of the partition
-- ARGV[1..] IDs
--
-- Returns for each ID: of a running attempt its depth (2) and the IDs it waits for; b
-- for a node that waits for all its parents, which kids.lua tells of; '' for others.
local out = {}
for i, id in ipairs(ARGV) do
  if call('HEXISTS', T .. 'own', id) == 1 then
    out[i] = call('HGET', T .. 'waits', id) or ''
  else
    local number = sub(id, 12, 14)
    local p = kind(id) == 1 and call('HMGET', T .. 'run:' .. runOf(id), 'p' .. number, 'a' .. number) or {}
    out[i] = p[1] and not p[2] and tonumber(p[1]) ~= 0 and 'b' or '' -- 0: it waits in line
  end
end
return out
