-- ring(pend): wake one idle session that can serve the list, if there is one.
-- A bell is a hint: it may be lost, and an idle session looks by itself twice
-- a second. It is rung after jobs were moved, so a damaged key must not matter.
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

local function ring(pend)
  local queue, route = string.match(pend, '^([^:]*):(.*):.$')
  if not queue then return false end
  local first, rest = string.match(route, '^([^+]*)%+?(.*)$')
  for _, g in ipairs(redis.pcall('ZRANGE', T .. 'groups:' .. queue .. ':' .. first, 0, -1)) do
    local able = true
    for f in string.gmatch(rest, '[^+]+') do
      able = able and type(redis.pcall('ZSCORE', T .. 'groups:' .. queue .. ':' .. f, g)) == 'string'
    end
    if able and ringOne(queue, g) then return true end
  end
  return false
end
