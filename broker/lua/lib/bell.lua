-- bell: ringOne(queue, group) wakes an idle session of a group, if there is one. It
-- is a hint: it may be lost, and an idle session looks by itself twice a second. It is
-- rung after jobs were moved, so a damaged key must not matter.
local function ringOne(queue, group)
  for _ = 1, 8 do -- sessions that were lost while idle, which nobody hears for, are passed over
    local s = pcall('SPOP', T .. 'idle:' .. queue .. ':' .. group)
    if type(s) ~= 'string' then return false end
    if send(s, 'B') then return true end
  end
  return false
end
