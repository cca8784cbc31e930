-- kids.lua: the edges of a run. Reads only.
-- include: base bytes
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  run
-- ARGV[2]  number of the first node
-- ARGV[3]  which chunk of its children is the first
-- ARGV[4]  how many nodes at most
--
-- Returns how many nodes were submitted, 0 if the run is unknown; the node and the chunk to
-- go on with; then for each node its children, 5 bytes each, as lib/follow.lua has them. It
-- ends early when that is long enough, between two chunks of a node if need be.
local MAXBYTES, FULL = 262144, 1280 -- FULL: a chunk of children that may have a next one
local key, first = T .. 'run:' .. ARGV[1], tonumber(ARGV[2])
local n, plan = unpack(call('HMGET', key, 'n', 'nodes'))
n = tonumber(plan or n or 0) or 0
local last = math.min(first + tonumber(ARGV[4]), n) - 1
local out, bytes = { n, last + 1, 0 }, 0
for i = first, last do
  local list, c, chunk = {}, nil, i == first and tonumber(ARGV[3]) or 0
  repeat
    if bytes >= MAXBYTES then
      out[2], out[3] = i, chunk
      break
    end
    c = call('HGET', key, 'k' .. be(i, 3) .. be(chunk, 3)) or ''
    list[#list + 1] = c
    bytes, chunk = bytes + #c, chunk + 1
  until #c < FULL
  out[#out + 1] = table.concat(list)
  if bytes >= MAXBYTES and out[2] == i then break end
end
return out
