-- run: a node has ended; those that wait for it are released, or skipped if it
-- did not succeed. At most EDGES edges a script; the rest is a continuation in
-- the list cont, taken up by whoever comes next: the chunk that was not begun.
--
-- run:<R> is a hash: n nodes, S F C K ended so, state, begun, end, name, nonce,
-- f the tail of the first failure; p<node> parents a node still waits for;
-- k<node><chunk> its children, up to 256 a chunk, each 3 bytes number and 1 byte
-- pend name; q<byte> the pend names.
local EDGES, CHUNK = 1024, 256
local names, edges = {}, 0

-- bucketOf(R): where the records of a run's nodes lie.
local function bucketOf(R) return sub(R, 7, 7) .. char(byte(R, 8) % 64 + 64) .. sub(R, 9, 11) end

local function endRun(key, R, counts)
  local state = (counts[2] > 0 and 'F') or (counts[3] > 0 and 'C') or 'S'
  call('HSET', key, 'state', state, 'end', time)
  announce(R, state, call('HGET', key, 'f') or '\0')
  local class = byte(R, 7) % 16
  if class > 0 then
    call('PEXPIRE', key, KEEP[class])
    over[#over + 1] = bucketOf(R)
  end
end

-- whole(key, R): the counts of a run, by place in COUNTS; nil if the run is gone or
-- damaged. Its nodes then end without it, and fsck tells of it.
-- (The inner parentheses make one value of none: the embedded server's match gives
-- nothing where Redis' gives nil.)
local COUNTS = { 'S', 'F', 'C', 'K', 'n' }
local function whole(key, R)
  local got, c = pcall('HMGET', key, unpack(COUNTS)), {}
  for i = 1, 5 do c[i] = tonumber((string.match(got[i] or (i < 5 and '0' or ''), '^%d+$'))) end
  if #c == 5 and type(pcall('HLEN', T .. 'res:' .. bucketOf(R))) == 'number' then return c end
end

-- tally(key, R, node, c): counts an ended node, and ends the run with its last.
local function tally(key, R, node, c)
  call('HINCRBY', key, node.state, 1)
  if node.state == 'F' then call('HSETNX', key, 'f', node.tail) end
  for i = 1, 4 do
    if COUNTS[i] == node.state then c[i] = c[i] + 1 end
  end
  if c[1] + c[2] + c[3] + c[4] == c[5] then endRun(key, R, c) end
end

-- child(key, node, number, name): one edge. What a child waits for is gone from
-- the run once it is released or skipped, so that neither happens twice.
local function child(key, node, number, name)
  local waits = tonumber((string.match(call('HGET', key, 'p' .. number) or '', '^%d+$')))
  if not waits then return end
  local id = sub(node.id, 1, 11) .. number .. sub(node.id, 15, 16)
  if node.state ~= 'S' then
    call('HDEL', key, 'p' .. number)
    local v = call('HGET', T .. 'jobs', id)
    if sound(v) then finish(id, v, 'b', 'K', NEVER, NOWHERE, '\0') end
  elseif waits > 1 then
    call('HINCRBY', key, 'p' .. number, -1)
  else
    local pend = names[key .. name] or string.match(call('HGET', key, 'q' .. name) or '', '^[^:]+:.+:.$')
    if not pend then return end
    names[key .. name] = pend
    call('HDEL', key, 'p' .. number)
    count(queueOf(pend), 'b', -1)
    push(pend, id)
  end
end

-- resume(): takes up one continuation, if there is one.
local function resume()
  local c = call('LPOP', T .. 'cont')
  if not c or #c ~= 20 then return c end
  worklist[#worklist + 1] = { id = sub(c, 1, 16), state = sub(c, 17, 17), chunk = num(sub(c, 18, 20)), counted = true }
  return c
end

-- settle(): works off the nodes that ended, and those that are skipped by it.
-- It returns how many edges the script has followed.
local function settle()
  local i = 1
  while worklist[i] do
    local node = worklist[i]
    local R = runOf(node.id)
    local key, number = T .. 'run:' .. R, sub(node.id, 12, 14)
    local counts = whole(key, R)
    if counts and not node.counted then tally(key, R, node, counts) end
    local kids = counts and call('HGET', key, 'k' .. number .. be(node.chunk, 3))
    while kids and edges < EDGES do
      for k = 1, #kids, 4 do child(key, node, sub(kids, k, k + 2), sub(kids, k + 3, k + 3)) end
      edges = edges + #kids / 4
      node.chunk = node.chunk + 1
      kids = #kids == 4 * CHUNK and call('HGET', key, 'k' .. number .. be(node.chunk, 3))
    end
    if kids then call('RPUSH', T .. 'cont', node.id .. node.state .. be(node.chunk, 3)) end
    i = i + 1
  end
  worklist = {}
  return edges
end
