-- settle: what follows from the nodes that ended.

-- resume(): takes up one continuation, if there is one.
local function resume()
  local c = call('LPOP', T .. 'cont')
  if not c or #c ~= 20 then return c end
  worklist[#worklist + 1] = { id = sub(c, 1, 16), state = sub(c, 17, 17), chunk = num(sub(c, 18, 20)), counted = true }
  return c
end

local function later(node, chunk) call('RPUSH', T .. 'cont', node.id .. node.state .. be(chunk, 3)) end

-- kids(r, node): follows the edges from a node.
local function kids(r, node)
  local key = 'k' .. sub(node.id, 12, 14)
  local list = call('HGET', r.key, key .. be(node.chunk, 3))
  while list and edges < EDGES do
    for k = 1, #list, KID do child(r, node, sub(list, k, k + 2), sub(list, k + 3, k + 3), byte(list, k + 4)) end
    edges = edges + #list / KID
    node.chunk = node.chunk + 1
    list = #list == KID * CHUNK and call('HGET', r.key, key .. be(node.chunk, 3))
  end
  if list then later(node, node.chunk) end
end

-- settle(): works off the nodes that ended, and those that end by it. It returns how
-- many edges the script has followed.
local function settle()
  local i = 1
  for _, node in ipairs(worklist) do -- those that end together make room together
    local r = not node.counted and kind(node.id) == 1 and runAt(runOf(node.id))
    if r then tally(r, node) end
    node.counted = true
  end
  while worklist[i] do
    local node = worklist[i]
    local swept = node.state == 'X'
    local r = runAt(kind(node.id) == 2 and node.id or runOf(node.id))
    if r and swept and r.stop then -- else it was resumed since
      flushEnds() -- what this script has said of its nodes must be there to be seen
      local next = node.chunk
      while next and edges < EDGES do
        local looked
        next, looked = sweep(r, next)
        edges = edges + 4 * looked -- to end a node takes about as long as four edges
      end
      if next and not r.over then later(node, next) end
      if not next and r.S + r.F + r.C + r.K == r.n then endRun(r) end
    elseif r and (node.state == 'R' or node.state == 'Q' or node.state == 'P') then
      set(r, 'l', r.l) -- its line is looked at below
      local phase = r.resuming and node.chunk == r.turn and node.state -- else it is of an earlier resume
      while phase and edges < EDGES do phase = revive(r, phase) end
      if phase then later({ id = node.id, state = phase }, node.chunk) end
    elseif r and node.state == 'M' then
      flushEnds()
      local next = r.top and node.chunk
      while next and edges < EDGES do
        next = kin.sweepMap(r, sub(node.id, 12, 14), next)
      end
      if next then later(node, next) end
    elseif r and node.state == 'L' then
      set(r, 'l', r.l) -- it is filled below
    elseif r and not swept then
      if not node.counted then tally(r, node) end
      if node.state == 'S' and node.tail then node.state = truth(node.tail) end
      if not r.stop and not node.child then kids(r, node) end
    end
    i = i + 1
  end
  worklist = {}
  for k = 1, #touched do
    if fill(touched[k]) then later({ id = touched[k].R, state = 'L' }, 0) end
  end
  flushRuns()
  return edges
end
