-- follow: the edges of nodes that have ended. Children are released, or skipped; at
-- most EDGES edges a script. The rest is a continuation in the list cont, taken up by
-- whoever comes next: node (16), how it ended (1; t and f: with true or false), the
-- chunk that was not begun (3); or run, X, node: a stopped run is swept from there on;
-- or run, L: its line is to be looked at.
--
-- p<node> is how many parents it waits for, those that may end in any way being one
-- together; 0 while it waits in line:<R>. o<node> has those: how many have not ended
-- (3), how many must still succeed (3), 0 if it waits for all. A child is number (3),
-- pend name (1), which ends it accepts (1): 0 success, 1 or skipped, 2 any, 3 true, 4
-- false. 256 make a chunk.
local EDGES, CHUNK, KID = 512, 256, 5
local edges = 0

-- truth(tail): t or f if a result is true or false, else S.
local function truth(tail)
  local codec, at = byte(tail, 1), 2
  if codec >= 128 then codec, at = codec - 128, 6 + num(sub(tail, 2, 5)) end
  local v = codec == 109 and #tail == at and byte(tail, at)
  return v == 195 and 't' or v == 194 and 'f' or 'S'
end

local function passes(accept, state)
  local well = state == 'S' or state == 't' or state == 'f'
  if accept == 1 then return well or state == 'K' end
  if accept == 3 then return state == 't' end
  if accept == 4 then return state == 'f' end
  return well or accept == 2
end

-- soft(r, node, number, accept): one of the parents that may end in any way has. It
-- returns true when they are enough, false when they cannot be any more, else nil.
local function soft(r, node, number, accept)
  local o = call('HGET', r.key, 'o' .. number)
  if not o or #o ~= 6 then return nil end
  local left, need, well = num(sub(o, 1, 3)) - 1, num(sub(o, 4)), passes(0, node.state)
  if need == 0 and not passes(accept, node.state) then return false end
  local enough = left == 0
  if need > 0 then
    if well then need = need - 1 end
    if left < need then return false end
    enough = need == 0
  end
  call('HSET', r.key, 'o' .. number, be(left, 3) .. be(need, 3))
  if enough then call('HDEL', r.key, 'o' .. number) end
  return enough or nil
end

-- child(r, node, number, name, accept): one edge. What a child waits for is gone from
-- the run once it is released or skipped, so that neither happens twice.
local function child(r, node, number, name, accept)
  local waits = tonumber((string.match(call('HGET', r.key, 'p' .. number) or '', '^%d+$')))
  if not waits or waits == 0 then return end
  local ok = passes(accept, node.state)
  if accept == 1 or accept == 2 then ok = soft(r, node, number, accept) end
  if ok == nil then return end
  if not ok then
    local id = sub(node.id, 1, 11) .. number .. sub(node.id, 15, 16)
    call('HDEL', r.key, 'p' .. number, 'o' .. number)
    local v = call('HGET', T .. 'jobs', id)
    edges = edges + 3 -- to end a node takes as long as four edges
    if sound(v) then finish(id, v, 'b', 'K', NEVER, NOWHERE, '\0') end
  elseif waits > 1 then
    call('HINCRBY', r.key, 'p' .. number, -1)
  else
    release(r, number, name)
  end
end
