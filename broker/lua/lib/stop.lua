-- stop: how a run ends: with its last node, or before its time.
local SWEEP = 64 -- nodes of a stopped run that are ended at once

-- stopRun(r, why): nothing new of it starts from now on; what has not ended does so
-- by and by.
local function stopRun(r, why)
  if r.stop then return end
  set(r, 'stop', why)
  say(r, 'X')
  worklist[#worklist + 1] = { id = r.R, state = 'X', chunk = 0 }
end

local function endRun(r)
  if r.over then return end
  r.over = true
  local f, exits = unpack(call('HMGET', r.key, 'f', 'xs'))
  local halted = r.top and r.C > 0 and tonumber(call('HGET', r.key, 'halted') or 0) or 0
  local state = f and 'F' or (r.stop == 'C' or r.C > halted) and 'C' or 'S'
  set(r, 'state', state)
  set(r, 'end', time)
  call('ZREM', T .. 'delayed', r.R .. EPOCH0)
  if r.l > 0 then pcall('DEL', T .. 'line:' .. r.R) end
  if r.l > 0 then set(r, 'l', 0) end
  r.ahead = nil
  say(r, state)
  announce(r.R, state, f or '\0')
  if exits then postExits(r, tonumber(exits) or 0) end
  local class = byte(r.R, 7) % 16
  if class > 0 then
    call('PEXPIRE', r.key, KEEP[class])
    if r.e then call('PEXPIRE', T .. 'events:' .. r.R, KEEP[class]) end
    over[#over + 1] = bucketOf(r.R)
  end
end

-- tally(r, node): counts an ended node. A failure that no child takes stops the run,
-- and the last node ends it.
local function tally(r, node)
  set(r, node.state, r[node.state] + 1)
  say(r, node.state, sub(node.id, 12, 14))
  if node.flew then set(r, 'w', r.w - 1) end
  if r.top and kin.fell(r, node) then
    -- its map decides what follows
  elseif node.state == 'F' and r.stop ~= 'C' and call('HEXISTS', r.key, 't' .. sub(node.id, 12, 14)) == 0 then
    call('HSETNX', r.key, 'f', node.tail)
    if not r.keep then stopRun(r, 'F') end
  end
  if r.S + r.F + r.C + r.K == r.n then endRun(r) end
end

-- sweep(r, from): ends nodes of a stopped run, and returns the next, nil after the last,
-- and how many it has looked at.
local function sweep(r, from)
  local top = r.top or r.n
  for looked = 0, SWEEP - 1 do
    if r.top then from = kin.leap(r, from) end
    if from >= top then return nil, looked end
    local id = nodeOf(r.R, be(from, 3))
    local v = call('HGET', T .. 'jobs', id)
    if sound(v) and byte(v, 6) < DEAD then halt(id, v, r.stop == 'C' and 'C' or 'K') end
    from = from + 1
  end
  return from < top and from, SWEEP
end
