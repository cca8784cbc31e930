-- bell: ringOne(queue, group) wakes an idle session of a group, if there is one. It
-- is a hint: it may be lost, and an idle session looks by itself twice a second. It is
-- rung after jobs were moved, so a damaged key must not matter.
local function ringOne(queue, group)
  for _ = 1, 8 do -- sessions that were lost while idle are passed over
    local s = redis.pcall('SPOP', T .. 'idle:' .. queue .. ':' .. group)
    if type(s) ~= 'string' then return false end
    if type(redis.pcall('ZSCORE', T .. 'sess', s)) == 'string' then
      call(PUBLISH, T .. 'in:' .. s, 'B')
      return true
    end
  end
  return false
end
