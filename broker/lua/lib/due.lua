-- due(limit): delayed jobs whose time has come enter their lists. Returns how many.
local function due(limit)
  local found = pcall('ZRANGEBYSCORE', T .. 'delayed', '-inf', time, 'LIMIT', 0, limit)
  if found.err or #found == 0 then return 0 end
  for _, m in ipairs(found) do
    local id, epoch, pend = sub(m, 1, 16), sub(m, 17, 19), sub(m, 20)
    push(pend, entry(id, epoch))
    count(queueOf(pend), 's', -1)
  end
  call('ZREM', T .. 'delayed', unpack(found))
  return #found
end
