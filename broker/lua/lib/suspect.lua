-- suspect: a job that may lose its worker runs only in a session that runs nothing
-- else. One busy session at a time is chosen to drain for it.
local SUSPECT_HOLD, SUSPECT_REST = 30000, 150000 -- ms

local function suspect(lanes, session, held, turn, out)
  if not lanes.x then return false end
  if held == 0 then
    local got = { e = {}, p = {} }
    take(lanes.x, 1, turn, false, got)
    judge(got, out, session, 'a')
    if #out.ids > 0 then call('DEL', T .. 'alone') end
    return #out.ids > 0
  end
  local chosen = pcall('GET', T .. 'alone')
  if type(chosen) == 'string' and chosen ~= session then return false end
  if type(chosen) ~= 'string' then
    -- Who could not drain in time is not asked again for a while.
    if not call('SET', T .. 'rest:' .. session, '', 'NX', 'PX', SUSPECT_REST) then return false end
    call('SET', T .. 'alone', session, 'PX', SUSPECT_HOLD)
  end
  out.drain = true
  return true
end
