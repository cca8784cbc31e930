-- kids.lua: the edges of a run. Reads only.
-- include: base bytes
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  run
-- ARGV[2]  number of the first node
-- ARGV[3]  how many nodes at most
--
-- Returns how many nodes the run has, 0 if it is unknown; then for each node its
-- children, 5 bytes each, as lib/follow.lua has them. It ends early when that is long
-- enough; of a node with more children than go into one answer it has the first ones.
local MAXBYTES, FULL = 262144, 1280 -- FULL: a chunk of children that may have a next one
local key, first = T .. 'run:' .. ARGV[1], tonumber(ARGV[2])
local n = tonumber(call('HGET', key, 'n') or 0) or 0
local out, bytes = { n }, 0
for i = first, math.min(first + tonumber(ARGV[3]), n) - 1 do
  if bytes >= MAXBYTES then break end
  local list, c = {}, nil
  repeat
    c = call('HGET', key, 'k' .. be(i, 3) .. be(#list, 3)) or ''
    list[#list + 1] = c
    bytes = bytes + #c
  until #c < FULL or bytes >= MAXBYTES
  out[#out + 1] = table.concat(list)
end
return out
