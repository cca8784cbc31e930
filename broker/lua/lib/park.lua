-- park: nodes that stand in the common lists and must not start.

-- park(r, id, v): a node of a paused run goes back to its place in the run's line.
local function park(r, id, v)
  local number, name, pend = sub(id, 12, 14), listOf(r, v)
  if not name then return end
  local f = byte(v, 6)
  if pend ~= pendOf(v) then -- it was a suspect, and may show it anew
    call('HSET', T .. 'jobs', id, sub(v, 1, 5) .. char(f % SUSPECT + (has(f, HIST) and HIST or 0)) .. sub(v, 7, 15) .. pend .. sub(v, 16 + #pend))
  end
  call('HSET', r.key, 'p' .. number, '00')
  if not r.again then set(r, 'again', '0') end -- it may have an epoch, see release
  local m = r.top and kin.mapOf(r, number)
  if m then kin.land(r, m) end
  set(r, 'w', r.w - 1)
  set(r, 'l', r.l + 1)
  count(queueOf(pend), 'b', 1)
  r.ahead = r.ahead or {}
  r.ahead[#r.ahead + 1] = number .. name
end

-- halted(id, v): a node of a run that was stopped or paused: it must not start now.
local function halted(id, v)
  local r = runAt(runOf(id))
  if not r then return false end
  if r.stop or r.top and kin.barred(r, id) then return true end
  if r.paused then park(r, id, v) end
  return r.paused
end

-- flushParked(): writes who was parked.
local function flushParked()
  for _, r in ipairs(touched) do queueUp(r) end
  flushRuns()
end
