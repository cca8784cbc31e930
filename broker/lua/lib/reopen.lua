-- reopen: maps of a run that is resumed.

-- settled(r, i, state): a node is a child of a map that is not run again, since it has
-- succeeded or its dead letter is gone: nor is the child.
local function settled(r, i, state)
  local m = mapOf(r, be(i, 3))
  if not m or m.ended == '-' then return false end
  if state == 'C' then call('HINCRBY', r.key, 'halted', 1) end
  return true
end

-- reopen(r, i): the run is resumed: a map that did not succeed waits for those of its
-- children that did not.
local function reopen(r, i)
  local m = mapAt(r, be(i, 3))
  if not m then return end
  local never = neverOf(m)
  if m.born < m.width then set(r, never, r[never] - (m.width - m.born)) end
  m.ended, m.lined, m.next, m.live, m.done, m.bad = '-', '-', 0, 0, m.good, 0
  call('HDEL', r.key, 'g' .. m.number)
  call('HSET', r.key, 'p' .. m.number, '1')
  standInLine(r, m)
end

-- missing(r, i): a child is gone, since its dead letter was deleted: it stays failed.
local function missing(r, i)
  local m = mapOf(r, be(i, 3))
  if not m or m.ended ~= '-' then return end
  m.done, m.bad = m.done + 1, m.bad + 1
  mark(r, m)
  call('HSETNX', r.key, 'g' .. m.number, '\0')
end

-- revived(r, i): a node needs no more than this to go on after a resume: a child, which
-- its map lets begin, or a map that has its children.
local function revived(r, i)
  local own = mapAt(r, be(i, 3))
  if own and own.ended == '-' then
    judgeMap(r, own)
    return true
  end
  return mapOf(r, be(i, 3))
end
