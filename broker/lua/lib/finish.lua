-- finish: a job ends.
--
-- A record is: state (1), finished (6), started (6), session (8), the job as it
-- was stored, its history (4 + n, by flag), the tail that the worker made.
-- A dead letter stays where it was, flagged; its history has the reason, and ends with
-- LAST and when its last attempt started (6), and who made it (8).
local LAST = '\255\255\255\255' -- where another failure would have its length
local NOWHERE, NEVER = '\0\0\0\0\0\0\0\0', '\0\0\0\0\0\0'
local MAXHIST = 65536
-- remember(id, tail): adds a failed attempt to the history. Past its limit
-- only the newest is kept.
local function remember(id, tail)
  local past = call('HGET', T .. 'hist', id) or ''
  local new = sub(tail, 2)
  if #past + #new > MAXHIST then past = '' end
  call('HSET', T .. 'hist', id, past .. new)
end

local function withFlags(v, f) return sub(v, 1, 5) .. char(f) .. sub(v, 7) end

-- announce(id, state, tail, hooks): tells who asked to be told of a job or run;
-- hooks are looked up unless they are given.
local function announce(id, state, tail, hooks)
  hooks = hooks or call('HGET', T .. 'hooks', id)
  if hooks then
    for i = 1, #hooks, 8 do tell(sub(hooks, i, i + 7), id, state, tail) end
    heard[#heard + 1] = id
  end
end

-- finish(id, v, from, state, started, session, tail, lost): lost if the last attempt
-- could not say itself how it ended: then its note is kept, else the tail has it.
local function finish(id, v, from, state, started, session, tail, lost)
  local queue, f = queueOf(pendOf(v)), byte(v, 6)
  if from ~= 'r' then count(queue, from, -1) end
  count(queue, state, 1)
  if state == 'F' then
    remember(id, tail .. LAST .. started .. session)
    if not has(f, HIST) then f = f + HIST end
    changed[#changed + 1] = id
    changed[#changed + 1] = withFlags(v, f + DEAD)
    call('ZADD', T .. 'dead', time, id)
  else
    local past = ''
    if has(f, HIST) then
      past = call('HGET', T .. 'hist', id) or ''
      past = be(#past, 4) .. past
      call('HDEL', T .. 'hist', id)
    end
    local r = recordsOf(sub(id, 7, 11))
    r[#r + 1], r[#r + 2] = id, state .. time6 .. started .. session .. v .. past .. tail
    ended[#ended + 1] = id
  end
  if f % 8 ~= 0 then
    local inbox, unique, idem = extras(v)
    if inbox then tell(inbox, id, state, tail) end
    if unique and call('HGET', T .. 'unique', unique) == id then call('HDEL', T .. 'unique', unique) end
    local class = byte(id, 7) % 16
    if idem and class > 0 and state ~= 'F' then call('PEXPIRE', T .. 'idem:' .. idem, KEEP[class]) end
  end
  if any then
    announce(id, state, tail)
    if not lost then call('HDEL', T .. 'notes', id) end
  end
  if kind(id) == 1 then worklist[#worklist + 1] = { id = id, state = state, chunk = 0, tail = tail, flew = from ~= 'b' } end
end
