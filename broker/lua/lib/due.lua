-- due(limit): delayed jobs whose time has come enter their lists, and runs whose
-- deadline it is are stopped. Returns how many.
local function due(limit)
  local found = pcall('ZRANGEBYSCORE', T .. 'delayed', '-inf', time, 'LIMIT', 0, limit)
  if found.err or #found == 0 then return 0 end
  for _, m in ipairs(found) do
    local id, epoch, pend = sub(m, 1, 16), sub(m, 17, 19), sub(m, 20)
    local r = #id == 16 and kind(id) == 2 and runAt(id)
    if r then
      if r.stop ~= 'C' then call('HSETNX', r.key, 'f', call('HGET', r.key, 'd') or '\0') end
      stopRun(r, 'F')
    elseif pend ~= '' then
      if kind(id) == 1 then say(runAt(runOf(id)), 'r', sub(id, 12, 14)) end
      push(pend, entry(id, epoch))
      count(queueOf(pend), 's', -1)
    end
  end
  call('ZREM', T .. 'delayed', unpack(found))
  return #found
end
