-- pick: which entries a session gets. Within a queue high goes before normal
-- before low; among lists of one rank heads are taken in turn, half of them of
-- jobs that were posted by jobs, since a blocked parent may wait for those.
local RANKS = { 'H', 'N', 'L' }
local LOWER = { H = 'h', N = 'n', L = 'l' }

-- can(route): the session has all functions of the route.
local function can(route, functions, listeners)
  if route == '*' then return listeners end
  if not string.find(route, '+', 1, true) then return string.find(functions, ',' .. route .. ',', 1, true) end
  for f in string.gmatch(route, '[^+]+') do
    if not string.find(functions, ',' .. f .. ',', 1, true) then return false end
  end
  return true
end

-- candidates(queue, ...): the lists of a queue that the session can serve, by
-- lane, in a fixed order.
local function candidates(queue, functions, listeners)
  local lanes = {}
  local live = pcall('SMEMBERS', T .. 'live:' .. queue)
  if live.err then return lanes end
  if #live > 1 then table.sort(live) end
  if live[1] == PAUSED then return lanes end
  for _, m in ipairs(live) do
    if can(sub(m, 1, -3), functions, listeners) then
      local lane = sub(m, -1)
      local l = lanes[lane]
      if not l then
        l = {}
        lanes[lane] = l
      end
      l[#l + 1] = { pend = queue .. ':' .. m }
    end
  end
  return lanes
end

-- take(lists, n, turn, newest, got): up to n entries from lists, in turn,
-- beginning with list number turn; got gathers entries (e) and where they lay
-- (p). A list that gave less than asked is dry.
local function take(lists, n, turn, newest, got)
  local pop, e, p = newest and 'RPOP' or 'LPOP', got.e, got.p
  while lists and n > 0 do
    local open = {}
    for i = 1, #lists do
      local l = lists[(i + turn - 1) % #lists + 1]
      if not l.dry then open[#open + 1] = l end
    end
    if #open == 0 then break end
    local each = math.ceil(n / #open)
    for _, l in ipairs(open) do
      local m = math.min(each, n)
      if m > 0 then
        local es = pcall(pop, T .. 'pend:' .. l.pend, int(m))
        if not es or es.err then es = {} end
        l.dry = #es < m
        for i = 1, #es do e[#e + 1], p[#p + 1] = es[i], l.pend end
        n = n - #es
      end
    end
  end
end

-- drop(queue, lanes): removes dry lists from the set of those that are not empty,
-- and returns one that has more.
local function drop(queue, lanes)
  local more
  for lane, lists in pairs(lanes) do
    for _, l in ipairs(lists) do
      if l.dry then
        call('SREM', T .. 'live:' .. queue, sub(l.pend, #queue + 2))
      elseif lane ~= 'x' then
        more = l.pend
      end
    end
  end
  return more
end
