-- expand(id, v, own, session, e): the job of a map has seen the list: running ->
-- blocked, with children; without any it has succeeded. e says how many, and how it
-- fails if the run has no numbers left, see broker/list.go.
local NUMBERS = 16777216 -- that three bytes can tell apart
local function expand(id, v, own, session, e)
  local r, number = runAt(runOf(id)), sub(id, 12, 14)
  local function close(state, tail) finish(id, v, 'a', state, sub(own, 12, 17), session, tail) end
  if not r or r.stop or #e < 16 then return close('C', '\0') end
  local width = num(sub(e, 1, 3))
  local base = BLOCK * math.ceil((r.top or r.n) / BLOCK)
  local name, pend = listOf(r, v)
  if width == 0 then return close('S', 'l' .. be(0, 6)) end
  if base + width > NUMBERS or not name then return close('F', sub(e, 17)) end
  local m = { number = number, base = base, width = width, born = 0, next = 0, live = 0, done = 0, good = 0, bad = 0,
    from = num(sub(e, 4, 6)), chunk = num(sub(e, 7, 9)), parallel = num(sub(e, 10, 12)), allow = num(sub(e, 13, 15)),
    some = sub(e, 16, 16) == 's', ended = '-', lined = '-', name = name }
  local blocks = {}
  for i = 0, width - 1, BLOCK do
    blocks[#blocks + 1] = 'b' .. be((base + i) / BLOCK, 2)
    blocks[#blocks + 1] = number .. be(i, 3)
  end
  call('HSET', r.key, unpack(blocks))
  if not r.top then set(r, 'nodes', r.n) end
  set(r, 'top', base + width)
  set(r, 'n', r.n + width)
  set(r, 'w', r.w - 1)
  say(r, 'm', number)
  r.maps = r.maps or {}
  r.maps[number] = m
  call('HSET', r.key, 'p' .. number, '1')
  count(queueOf(pend), 'a', -1)
  count(queueOf(pend), 'b', 1)
  standInLine(r, m)
  worklist[#worklist + 1] = { id = r.R, state = 'L', chunk = 0, counted = true }
end
