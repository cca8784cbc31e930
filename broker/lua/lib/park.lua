-- park: nodes that stand in the common lists and must not start. Those of a paused run
-- stay ready, but stand in its field y instead, number (3) and epoch (3) each.

-- park(r, id, v): keeps a node of a paused run aside.
local function park(r, id, v)
  set(r, 'w', r.w) -- flushRuns looks at it
  r.aside = r.aside or {}
  r.aside[#r.aside + 1] = sub(id, 12, 14) .. sub(v, 7, 9)
end

-- halted(id, v): a node of a run that was stopped or paused: it must not start now. One
-- of another run is claimed.
local function halted(id, v)
  local r = runAt(runOf(id))
  if not r then return false end
  if r.stop or r.top and kin.barred(r, id) then return true end
  if r.paused then park(r, id, v) else say(r, 'a', sub(id, 12, 14)) end
  return r.paused
end
