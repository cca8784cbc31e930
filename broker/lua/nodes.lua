-- nodes.lua: how nodes of a run stand. Reads only.
-- include: base bytes head fields
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  run
-- ARGV[2]  number of the first node: one that was submitted, or a child of a map
-- ARGV[3]  how many nodes at most
--
-- Returns how many nodes were submitted, 0 if the run is unknown; then for each node, up
-- to the last one submitted or the last child of the map, three strings, '' where there is
-- none: how it stands, what its run knows of its map (see lib/kin.lua), its note. The first
-- is its state (S F C K as in records, a running, b blocked, s scheduled, r ready), when it ended (6), when its
-- last attempt began (6), its stored job without the payload; or - for a child that has
-- not begun, the state its map ended in (1), the map (3); or ? for one that is gone.
-- It ends early when that is long enough.
local MAXBYTES = 4194304
local LAST = '\255\255\255\255'
local NEVER = '\0\0\0\0\0\0'
local key, first = T .. 'run:' .. ARGV[1], tonumber(ARGV[2])
local state, nodes, plan = unpack(call('HMGET', key, 'state', 'n', 'nodes'))
if not state or state == '-' or state == 'x' then return { 0 } end
nodes = tonumber(plan or nodes) or 0
local bytes = 0

-- front(v): a stored job without its payload.
local function front(v)
  local h, l = byte(v, 14, 15)
  local at, f = 16 + h * 256 + l, byte(v, 6)
  if has(f, INBOX) then at = at + 8 end
  if has(f, UNIQUE) then at = at + 2 + num(sub(v, at, at + 1)) end
  if has(f, IDEM) then at = at + 16 end
  return sub(v, 1, at + 2 + num(sub(v, at + 1, at + 2)))
end

-- stand(id, number): how a node stands, and its note if it runs.
local function stand(id, number)
  local r = call('HGET', T .. 'res:' .. sub(id, 7, 11), id)
  if r then
    bytes = bytes + #r
    local v = #r >= 36 and sub(r, 22, 21 + num(sub(r, 23, 26)))
    return sound(v) and sub(r, 1, 13) .. front(v) or '?', ''
  end
  local v = call('HGET', T .. 'jobs', id)
  if not sound(v) then return '?', '' end
  bytes = bytes + #v
  if byte(v, 6) >= DEAD then
    local past, died = call('HGET', T .. 'hist', id) or '', tonumber(call('ZSCORE', T .. 'dead', id) or 0) or 0
    bytes = bytes + #past
    return 'F' .. be(died, 6) .. (sub(past, -18, -15) == LAST and sub(past, -14, -9) or NEVER) .. front(v), ''
  end
  local own = call('HGET', T .. 'own', id)
  if own and #own >= 17 then
    return 'a' .. NEVER .. sub(own, 12, 17) .. front(v), call('HGET', T .. 'notes', id) or ''
  end
  local is = 'r'
  if call('HEXISTS', key, 'p' .. number) == 1 then
    is = 'b'
  elseif call('ZSCORE', T .. 'delayed', id .. sub(v, 7, 9) .. pendOf(v)) then
    is = 's'
  end
  return is .. NEVER .. NEVER .. front(v), ''
end

local out, last = { nodes }, first + tonumber(ARGV[3]) - 1
if first < nodes then last = math.min(last, nodes - 1) end
for i = first, last do
  if bytes >= MAXBYTES then break end
  local number = be(i, 3)
  local block = i >= nodes and call('HGET', key, 'b' .. sub(number, 1, 2)) or ''
  local of = #block == 6 and sub(block, 1, 3)
  local m = plan and call('HGET', key, 'm' .. (of or number)) or ''
  local index = of and num(sub(block, 4, 6)) + i % 256
  if i >= nodes and not (index and index < num(sub(m, 4, 6))) then break end
  if index and index >= num(sub(m, 7, 9)) then
    out[#out + 1] = '-' .. sub(m, -3, -3) .. of
    out[#out + 1], out[#out + 2] = '', ''
  else
    local how, note = stand(nodeOf(ARGV[1], number), number)
    out[#out + 1], out[#out + 2], out[#out + 3] = how, of and '' or m, note
    bytes = bytes + #how
  end
end
return out
