-- exchange.lua: a session's attempts end, and it is given more jobs, in one
-- step: running -> succeeded, failed, cancelled, skipped, scheduled, ready;
-- blocked -> ready or skipped for what waited for them; ready -> running.
-- include: base bytes now head count send bell tell ends pick judge suspect claim
-- seldom: fields ring push finish halt run exits stop line follow revive park phases settle requeue due guard
-- maps: kin expand mint brood reopen
-- flags: allow-oom
--
-- KEYS[1]   prefix of the partition
-- ARGV[1]   session, and for its second fetcher and on, a byte that names it
-- ARGV[2]   number of the fetcher's exchange, from 1; the same again gets the same answer
-- ARGV[3]   how many jobs are wanted, 0 to 128
-- ARGV[4]   how many attempts the session runs besides those that end here
-- ARGV[5]   1: jobs posted by jobs come before all others, newest first
-- ARGV[6]   lease in ms that begins anew, since the beats seem to be late; else 0
-- ARGV[7]   queues it serves, joined by commas
-- ARGV[8]   functions it has, a comma before and after each
-- ARGV[9]   1: it has listeners
-- ARGV[10]  its group: a digest of queues and functions
-- ARGV[11]  names of sessions and inboxes that the caller hears for
-- ARGV[12]  attempts that end, for each: ID (16), session (8), epoch (3),
--   verdict (1), delay in ms (6)
-- ARGV[13..] for each of them its tail: result, failure and note, as Go encodes
--   them; then jobs to be posted if an end is accepted and final, for each: which of the
--   ends it follows, ID, pend name, stored job
--
-- Verdicts: S succeeded, F failed, C cancelled, K skipped, R retry, Z snooze,
-- L released, E expanded: the job of a map has seen its list, of which the tail tells.
--
-- Returns {'OK', lost IDs, claimed IDs, claimed jobs, flags, later, mail}, each a string
-- of its parts; flags are M more, D drain for a suspect; later is in how many ms a
-- delayed job is due, 0 or absent if that is not known; mail is a list of messages
-- for names of ARGV[11], each after its name, if there are any. {'STALE'}: an older number;
-- nothing was changed. {'GONE'}: no such session; or a number is missing, since
-- Redis has lost what was written last: then the session is ended, for it may own
-- jobs again that it has reported, and would never report again.
local fetcher, number, want = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local session = sub(fetcher, 1, 8)
home = ARGV[11]
local IDLE = '10800000' -- ms that a group of idle sessions is remembered: as long as groups are
-- HMGET, as below: in an idle system the first call of each command costs some 5 us.
local joined, last = unpack(call('HMGET', T .. 'last', session, fetcher))
if not joined then return { 'GONE' } end

local n = last and tonumber(string.match(last, '^%d+')) or 0
if n > number then return { 'STALE' } end
if n < number - 1 then
  call('ZCARD', T .. 'sess')
  call('HDEL', T .. 'workers', session)
  call('HDEL', T .. 'last', session, session .. '\1', session .. '\2', session .. '\3')
  call('ZREM', T .. 'sess', session)
  call('DEL', T .. 'scan')
  return { 'GONE' }
end
if n == number then
  -- The same answer. Jobs are read again, if still ours.
  local flags, nlost, rest = string.match(last, '^%d+ (%a*) (%d+) (.*)$')
  local ids, jobs = {}, {}
  flags, nlost, rest = flags or '', tonumber(nlost or 0), rest or ''
  for i = nlost * 16 + 1, #rest, 16 do
    local id = sub(rest, i, i + 15)
    local own, v = call('HGET', T .. 'own', id), call('HGET', T .. 'jobs', id)
    if own and v and sub(own, 1, 11) == session .. sub(v, 7, 9) then
      ids[#ids + 1], jobs[#jobs + 1] = id, v
    end
  end
  return { 'OK', sub(rest, 1, nlost * 16), table.concat(ids), table.concat(jobs), flags }
end

-- Checks: everything that is written below is looked at here. Most ends are
-- plain (a success, of which at most its poster is to be told); they are gathered
-- at once. The others wait for the loop after it.
local H, END = ARGV[12], 34
local ndone = #H / END
local ids, owns, vs, lost, others, hooks = {}, {}, {}, {}, {}, nil
begin()
if ndone > 0 then
  for i = 1, ndone do ids[i] = sub(H, i * END - 33, i * END - 18) end
  owns, vs = call('HMGET', T .. 'own', unpack(ids)), call('HMGET', T .. 'jobs', unpack(ids))
  if any then
    hooks = call('HMGET', T .. 'hooks', unpack(ids))
    call('HLEN', T .. 'notes')
    call('HLEN', T .. 'waits')
  end
  local seen, pend, ended1 = {}, nil, 0
  local bucket, node, rs
  for i = 1, ndone do
    local id, own, v, at = ids[i], owns[i], vs[i], i * END
    if own and v and sub(own, 1, 11) == sub(H, at - 17, at - 7) and #v >= 15 and byte(v, 1) == 1 and not seen[id] then
      seen[id] = true
      if sub(id, 7, 11) ~= bucket then
        bucket = sub(id, 7, 11)
        node = kind(id) == 1
        rs = recordsOf(bucket)
      end
      local f, _, _, _, _, _, _, _, h, l = byte(v, 6, 15)
      if node or f > INBOX or byte(H, at - 6) ~= 83 then
        if node then call('HGET', T .. 'run:' .. seldom().runOf(id), 'state') end
        others[#others + 1] = i
      else
        local tail, n, to = ARGV[12 + i], #rs, 15 + h * 256 + l
        rs[n + 1], rs[n + 2] = id, 'S' .. time6 .. sub(own, 12, 17) .. session .. v .. tail
        local p = sub(v, 16, to)
        if p ~= pend then
          if pend then plain(pend, ended1) end
          pend, ended1 = p, 0
        end
        ended1 = ended1 + 1
        ended[#ended + 1] = id
        if f == INBOX then tell(sub(v, to + 1, to + 8), id, 'S', tail) end
        if hooks and hooks[i] then seldom().announce(id, 'S', tail, hooks[i]) end
      end
      freed[#freed + 1] = id
    else
      vs[i] = false
      lost[#lost + 1] = id
    end
  end
  if pend then plain(pend, ended1) end
end
local rare = #others > 0 or #ARGV > 12 + ndone or any
if rare then seldom().guard() end
if rare or #buckets > 1 then -- else the records are the first to be written
  for _, b in ipairs(buckets) do call('HLEN', T .. 'res:' .. b) end
end
if want > 0 and ndone == 0 then
  call('HMGET', T .. 'own', session)
  call('HMGET', T .. 'jobs', session)
end

-- Moves.
if any and #ended > 0 then call('HDEL', T .. 'notes', unpack(ended)) end
for _, i in ipairs(others) do
  local id, v, verdict, delay = ids[i], vs[i], byte(H, i * END - 6), num(sub(H, i * END - 5, i * END))
  if verdict == 82 then -- R
    seldom().wait(id, v, 1, delay, ARGV[12 + i])
  elseif verdict == 90 then -- Z
    seldom().wait(id, v, 0, delay)
  elseif verdict == 76 then -- L
    seldom().giveBack(id, v)
  elseif verdict == 69 then -- E
    seldom().maps().expand(id, v, owns[i], session, ARGV[12 + i])
  else
    seldom().finish(id, v, 'a', char(verdict), sub(owns[i], 12, 17), session, ARGV[12 + i])
  end
  if verdict == 82 or verdict == 90 or verdict == 76 or verdict == 69 then vs[i] = false end -- nothing follows
end
for a = 13 + ndone, #ARGV, 4 do
  if vs[tonumber(ARGV[a])] then
    changed[#changed + 1], changed[#changed + 2] = ARGV[a + 1], ARGV[a + 3]
    count(queueOf(ARGV[a + 2]), 'P', 1)
    seldom().push(ARGV[a + 2], ARGV[a + 1])
  end
end
if any then seldom().resume() end
if #worklist > 0 then seldom().settle() end
flushEnds()
if made then made.flushPushes() end

-- Claims. A session that gets less than it wanted is idle; before that it sees
-- whether delayed jobs are due, and learns when the next will be.
local qs = {}
for q in string.gmatch(ARGV[7], '[^,]+') do qs[#qs + 1] = q end
local out = claim(session, want, tonumber(ARGV[4]), ARGV[5] == '1', number, qs, ARGV[8], ARGV[9] == '1')
local later = 0
if #out.ids < want and not out.more and not out.drain then
  local first = pcall('ZRANGE', T .. 'delayed', 0, 0, 'WITHSCORES')
  later = first[2] and math.max(1, tonumber(first[2]) - time) or 0
  if later == 1 and seldom().due(100) > 0 then
    if #worklist > 0 then
      made.settle()
      flushEnds()
    end
    made.flushPushes()
    out.due, later = true, 0
  end
  for _, q in ipairs(qs) do
    local idle = T .. 'idle:' .. q .. ':' .. ARGV[10]
    if pcall('SADD', idle, session) == 1 then pcall('PEXPIRE', idle, IDLE) end
  end
end
if made then
  made.flushRuns()
  made.ringPushed(true)
end
-- Its like are asked first, others not always while much is going on.
if out.more and not ringOne(queueOf(out.more), ARGV[10]) and (ndone < 16 or number % 8 == 0) then seldom().ring(out.more) end

local flags = ((out.more or out.due) and 'M' or '') .. (out.drain and 'D' or '')
local lostIDs, claimed = table.concat(lost), table.concat(out.ids)
call('HSET', T .. 'last', fetcher, ARGV[2] .. ' ' .. flags .. ' ' .. int(#lost) .. ' ' .. lostIDs .. claimed)
if ARGV[6] ~= '0' then pcall('ZADD', T .. 'sess', int(time + tonumber(ARGV[6])), session) end
flushLetters()
flushCounts()
return { 'OK', lostIDs, claimed, table.concat(out.jobs), flags, later, #mail > 0 and mail or nil }
