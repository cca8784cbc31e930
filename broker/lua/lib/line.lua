-- line: of one run at most WINDOW nodes are released and have not ended, so that a
-- large run does not keep small ones waiting; the others stand in line:<R>, number (3)
-- and pend name (1) each. They count as blocked, and what they wait for, p, is 0.
local WINDOW = 256
local names = {}

-- release(r, number, name): a node that waits for no parent starts, before others,
-- if few enough of its run have; else it goes to the head of the line, which fill writes.
local function release(r, number, name)
  if r.w >= WINDOW or r.resuming or r.paused then
    call('HSET', r.key, 'p' .. number, '00') -- not twice, should it be resumed
    r.ahead = r.ahead or {}
    r.ahead[#r.ahead + 1] = number .. name
    set(r, 'l', r.l + 1)
    return
  end
  local pend = names[r.key .. name] or string.match(call('HGET', r.key, 'q' .. name) or '', '^[^:]+:.+:.$')
  if not pend then return end
  names[r.key .. name] = pend
  if call('HDEL', r.key, 'p' .. number) == 0 then return end
  set(r, 'w', r.w + 1)
  count(queueOf(pend), 'b', -1)
  local id = nodeOf(r.R, number)
  local epoch = EPOCH0
  if r.again then epoch = sub(call('HGET', T .. 'jobs', id) or '', 7, 9) end -- else it never ran
  say(r, 'r', number)
  push(pend, entry(id, epoch), 'later')
end

local function queueUp(r)
  for i = #(r.ahead or {}), 1, -1 do pcall('LPUSH', T .. 'line:' .. r.R, r.ahead[i]) end
  r.ahead = nil
end

-- fill(r): those in line start, while there is room.
-- Entries of nodes that were cancelled while they waited are passed over; it returns
-- true if there are so many of those that somebody must go on.
local function fill(r)
  queueUp(r)
  r.resuming = r.resuming and not r.resumed
  for _ = 1, 4 do
    local n = math.min(WINDOW - r.w, r.l)
    if n <= 0 or r.stop or r.resuming or r.paused then return false end
    local got = pcall('LPOP', T .. 'line:' .. r.R, int(n))
    if type(got) ~= 'table' or got.err then got = {} end
    set(r, 'l', #got < n and 0 or r.l - n)
    for i = 1, #got do
      if r.w >= WINDOW then -- it keeps its place
        r.ahead = r.ahead or {}
        r.ahead[#r.ahead + 1] = got[i]
        set(r, 'l', r.l + 1)
      elseif #got[i] == 5 then -- a map, see lib/kin.lua
        if r.top then kin.mint(r, sub(got[i], 1, 3)) end
      else
        release(r, sub(got[i], 1, 3), sub(got[i], 4))
      end
    end
    queueUp(r)
  end
  return r.w < WINDOW and r.l > 0
end
