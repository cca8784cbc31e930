-- revive: a run that has ended goes on, in three phases of bounded steps. R: nodes
-- that did not succeed are jobs again, under a new epoch; Q: each is made to wait for
-- all its parents; P: those that have succeeded release their children, as if they had
-- just ended. The next node is rn, the next chunk of its children
-- rc; turn tells the continuations of one resume from those of an earlier one. Nothing starts
-- before the end: released nodes stand in line.

-- listOf(r, v): the byte of a job's list, and the list: a suspect was in another lane.
local function listOf(r, v)
  local pend, prio = pendOf(v), floor(byte(v, 6) / SUSPECT) % 4
  local lane = sub(pend, -1) == 'x' and sub('lnh', prio, prio) or string.lower(sub(pend, -1))
  if not r.lists then
    r.lists = {}
    for b = 0, 255 do
      local q = call('HGET', r.key, 'q' .. char(b))
      if not q then break end
      r.lists[sub(q, 1, -2) .. string.lower(sub(q, -1))] = { char(b), q }
    end
  end
  local found = r.lists[sub(pend, 1, -2) .. lane]
  if not found then return nil, pend end
  return found[1], found[2]
end

-- endOf(r, i): node i, its stored job, how it ended, what lies before and behind the
-- job in its record; a dead letter has no record.
local function endOf(r, i)
  local id = nodeOf(r.R, be(i, 3))
  local v = call('HGET', T .. 'jobs', id)
  edges = edges + floor(#(v or '') / 4096) -- to read it takes as long as so many edges
  if sound(v) then return id, v, byte(v, 6) >= DEAD and 'F' or 'j', '' end
  local rec = call('HGET', T .. 'res:' .. sub(id, 7, 11), id)
  if not rec or #rec < 36 then return id end
  edges = edges + floor(#rec / 4096)
  local at = 22 + num(sub(rec, 23, 26))
  return id, sub(rec, 22, at - 1), sub(rec, 1, 1), sub(rec, at)
end

-- past(v, rest): the history in a record, and the tail behind it.
local function past(v, rest)
  if not has(byte(v, 6), HIST) then return '', rest end
  local n = num(sub(rest, 1, 4))
  return sub(rest, 5, 4 + n), sub(rest, 5 + n)
end

local function reset(r, i)
  local id, v, state, rest = endOf(r, i)
  if not state and r.top then kin.missing(r, i) end
  if state ~= 'F' and state ~= 'C' and state ~= 'K' or r.top and kin.settled(r, i, state) then return end
  local _, pend = listOf(r, v)
  local f = byte(v, 6) % SUSPECT + (has(byte(v, 6), HIST) and HIST or 0)
  call('HSET', T .. 'jobs', id, sub(v, 1, 5) .. char(f) .. be(num(sub(v, 7, 9)) + 1, 3) .. '\0\0\0\0' .. sub(v, 14, 15) ..
    pend .. sub(v, 16 + #pend))
  if state == 'F' then
    call('ZREM', T .. 'dead', id)
    call('HDEL', T .. 'notes', id)
  else
    local h = past(v, rest)
    if h ~= '' then call('HSET', T .. 'hist', id, h) end
    call('HDEL', T .. 'res:' .. sub(id, 7, 11), id)
    if call('PERSIST', T .. 'log:' .. id) == 1 then call('HSET', T .. 'logs', id, '') end
  end
  call('HDEL', r.key, 'o' .. be(i, 3))
  call('HSET', r.key, 'p' .. be(i, 3), '0')
  count(queueOf(pend), state, -1)
  count(queueOf(pend), 'b', 1)
  set(r, state, r[state] - 1)
  say(r, 'b', be(i, 3))
  if r.top then kin.reopen(r, i) end
end

-- go(r, i): a node that waits for nothing stands in line; one that has ended is followed,
-- but for one that was skipped by an earlier step of this resume, which has been.
local function go(r, i)
  if r.top and kin.revived(r, i) then return end
  local waits = call('HGET', r.key, 'p' .. be(i, 3))
  if waits and waits ~= '0' then return end
  local id, v, state, rest = endOf(r, i)
  if waits then
    local name = v and listOf(r, v)
    if name then release(r, be(i, 3), name) end
  elseif state == 'S' then
    local _, tail = past(v, rest)
    worklist[#worklist + 1] = { id = id, state = truth(tail), chunk = 0, counted = true }
  elseif not state then -- its dead letter was deleted: it stays failed
    if call('HEXISTS', r.key, 't' .. be(i, 3)) == 0 then call('HSETNX', r.key, 'f', '\0') end
    worklist[#worklist + 1] = { id = id, state = 'F', chunk = 0, counted = true }
  end
end
