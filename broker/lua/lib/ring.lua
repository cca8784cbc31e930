-- ring(pend): wake one idle session that can serve the list, if there is one.
-- A bell is a hint: it may be lost, and an idle session looks by itself twice
-- a second.
local function ringOne(queue, group)
  for _ = 1, 8 do -- sessions that were lost while idle are passed over
    local s = call('SPOP', T .. 'idle:' .. queue .. ':' .. group)
    if not s then return false end
    if call('ZSCORE', T .. 'sess', s) then
      call(PUBLISH, T .. 'in:' .. s, 'B')
      return true
    end
  end
  return false
end

local function ring(pend)
  local queue, route = string.match(pend, '^([^:]*):(.*):.$')
  local first, rest = string.match(route, '^([^+]*)%+?(.*)$')
  for _, g in ipairs(call('ZRANGE', T .. 'groups:' .. queue .. ':' .. first, 0, -1)) do
    local able = true
    for f in string.gmatch(rest, '[^+]+') do
      able = able and call('ZSCORE', T .. 'groups:' .. queue .. ':' .. f, g)
    end
    if able and ringOne(queue, g) then return true end
  end
  return false
end
