-- kin: maps. A map is a node that stands for as many children as a list has elements.
-- While they run, the node is blocked. Children that were not begun cost nothing: the node itself stands
-- in line, as number (3), pend name (1), '+', and they are made as there is room.
--
-- m<node> is what is known of a map: MAPPED, three bytes each, then whether children may
-- be without a result (s), the state that the map ended in (- while it has not), whether it
-- stands in line (+) and its pend name. base is its first child's number; born have been
-- made, next is who is looked at next for a start, live are ready, delayed or running, done have
-- ended, good of them with success, bad otherwise than they may; parallel bounds live, allow bad.
-- Children take numbers by 256: b<number/256> has their map and the first one's index.
-- nodes is how many nodes were submitted, top the first number that nobody has. g<node>
-- has the tail of a map's first failure. halted is how many children were cancelled that
-- may be, or since their map had ended: the run is not cancelled for that.
-- Elements lie chunk at a time beside the map's record, see broker/list.go; or else from
-- is the first of the nodes whose results they are.
local MAPPED = { 'base', 'width', 'born', 'next', 'live', 'done', 'good', 'bad', 'parallel', 'allow', 'chunk', 'from' }
local BLOCK = 256

-- mapAt(r, number): what is known of a map that has its children; nil if it is none.
local function mapAt(r, number)
  if not r.top then return nil end
  r.maps = r.maps or {}
  local m = r.maps[number]
  if m ~= nil then return m or nil end
  local v = call('HGET', r.key, 'm' .. number)
  m = v and #v == 3 * #MAPPED + 4 and { number = number } or false
  r.maps[number] = m
  if not m then return nil end
  for i, f in ipairs(MAPPED) do m[f] = num(sub(v, 3 * i - 2, 3 * i)) end
  m.some, m.ended, m.lined, m.name = sub(v, -4, -4) == 's', sub(v, -3, -3), sub(v, -2, -2), sub(v, -1)
  return m
end

local function mark(r, m)
  r.mapped = r.mapped or {}
  r.mapped[m.number] = m
end

-- flushMaps(r): writes what has changed of the maps of a run.
local function flushMaps(r)
  for number, m in pairs(r.mapped or {}) do
    local v = {}
    for i, f in ipairs(MAPPED) do v[i] = be(m[f], 3) end
    call('HSET', r.key, 'm' .. number, table.concat(v) .. (m.some and 's' or '-') .. m.ended .. m.lined .. m.name)
  end
  r.mapped = nil
end

-- mapOf(r, number): the map that a node is a child of, and its index; nil if of none.
local function mapOf(r, number)
  if not r.top then return nil end
  local block = sub(number, 1, 2)
  r.blocks = r.blocks or {}
  local b = r.blocks[block]
  if b == nil then
    local v = call('HGET', r.key, 'b' .. block)
    b = v and { map = mapAt(r, sub(v, 1, 3)), first = num(sub(v, 4, 6)) } or false
    r.blocks[block] = b
  end
  if b and b.map then return b.map, b.first + byte(number, 3) end
end

-- standInLine(r, m): a map that has children to begin goes to the head of the line.
local function standInLine(r, m)
  if m.lined == '+' or m.next >= m.width or m.ended ~= '-' then return end
  m.lined = '+'
  mark(r, m)
  r.ahead = r.ahead or {}
  r.ahead[#r.ahead + 1] = m.number .. m.name .. '+'
  set(r, 'l', r.l + 1)
end

-- leap(r, n): the first number from n on that a node may have which has begun.
local function leap(r, n)
  while n >= r.nodes and n < r.top do
    local m, i = mapOf(r, be(n, 3))
    if m and i < m.born then break end
    n = BLOCK * (floor((m and m.base + m.width - 1 or n) / BLOCK) + 1)
  end
  return n
end

-- neverOf(m): how children that had not begun ended with their map.
local function neverOf(m) return m.ended == 'C' and 'C' or 'K' end

-- barred(r, id): a node is a child of a map that has ended: it must not start.
local function barred(r, id)
  local m = mapOf(r, sub(id, 12, 14))
  return m and m.ended ~= '-'
end
