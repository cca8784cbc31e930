-- ring(pend): wake one idle session that can serve the list, if there is one.
local function ring(pend)
  local queue, route = string.match(pend, '^([^:]*):(.*):.$')
  if not queue then return false end
  local first, rest = string.match(route, '^([^+]*)%+?(.*)$')
  for _, g in ipairs(pcall('ZRANGE', T .. 'groups:' .. queue .. ':' .. first, 0, -1)) do
    local able = true
    for f in string.gmatch(rest, '[^+]+') do
      able = able and type(pcall('ZSCORE', T .. 'groups:' .. queue .. ':' .. f, g)) == 'string'
    end
    if able and ringOne(queue, g) then return true end
  end
  return false
end
