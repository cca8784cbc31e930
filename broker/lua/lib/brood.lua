-- brood: how a map ends: with its children, or before them.

-- endMap(r, m, state): the last child that it waits for has ended.
local function endMap(r, m, state)
  local id, tail = nodeOf(r.R, m.number), '\0'
  local v = call('HGET', T .. 'jobs', id)
  if not sound(v) or byte(v, 6) >= DEAD or call('HDEL', r.key, 'p' .. m.number) == 0 then return end
  if state == 'S' then tail = 'l' .. be(m.base, 3) .. be(m.width, 3) end
  if state == 'F' then tail = call('HGET', r.key, 'g' .. m.number) or tail end
  finish(id, v, 'b', state, NEVER, NOWHERE, tail)
end

-- judgeMap(r, m): ends a map, if it is time.
local function judgeMap(r, m)
  local failed = m.bad > m.allow
  if m.done < m.width and (not failed or r.keep) then return false end
  endMap(r, m, not failed and 'S' or call('HEXISTS', r.key, 'g' .. m.number) == 1 and 'F' or 'K')
  return true
end

-- childEnded(r, m, node): counts a child, and ends its map if it was the last one, or
-- one too many did not succeed.
local function childEnded(r, m, node)
  m.done = m.done + 1
  if node.flew then m.live = m.live - 1 end
  if node.state == 'S' then
    m.good = m.good + 1
  elseif not m.some or node.state ~= 'K' then
    m.bad = m.bad + 1
  end
  mark(r, m)
  if node.state == 'F' then call('HSETNX', r.key, 'g' .. m.number, node.tail) end
  if (m.some or m.ended ~= '-') and node.state == 'C' then call('HINCRBY', r.key, 'halted', 1) end
  if m.ended == '-' and not r.stop and not judgeMap(r, m) then standInLine(r, m) end
end

-- closeMap(r, m, state): a map has ended: children that were not begun never are, and
-- those that were end by and by, if not with the whole run.
local function closeMap(r, m, state)
  m.ended = state
  mark(r, m)
  local never = neverOf(m)
  if m.born < m.width then set(r, never, r[never] + m.width - m.born) end
  if m.done < m.born and not r.stop then worklist[#worklist + 1] = { id = nodeOf(r.R, m.number), state = 'M', chunk = 0, counted = true } end
end

-- fell(r, node): a node has ended that may be a map, or a child of one: true if that.
local function fell(r, node)
  local m = mapOf(r, sub(node.id, 12, 14))
  if m then
    node.child = true -- it has no children of its own
    childEnded(r, m, node)
    return true
  end
  m = mapAt(r, sub(node.id, 12, 14))
  if m and m.ended == '-' then closeMap(r, m, node.state) end
end

-- sweepMap(r, number, from): ends children of a map that has ended, and returns the index of
-- the next, nil after the last.
local function sweepMap(r, number, from)
  local m = mapAt(r, number)
  if not m or m.ended == '-' then return nil end -- the run was resumed since
  local last = math.min(from + SWEEP, m.born) - 1
  edges = edges + 4 * (last - from + 1)
  for i = from, last do
    local id = nodeOf(r.R, be(m.base + i, 3))
    local v = call('HGET', T .. 'jobs', id)
    if sound(v) and byte(v, 6) < DEAD then halt(id, v, neverOf(m)) end
  end
  return last < m.born - 1 and last + 1 or nil
end
