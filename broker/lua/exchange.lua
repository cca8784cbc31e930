-- exchange.lua: a session's attempts end, and it is given more jobs, in one
-- step: running -> succeeded, failed, cancelled, skipped, scheduled, ready;
-- blocked -> ready or skipped for what waited for them; ready -> running.
-- include: base now head count ring push tell finish run requeue pick claim guard
-- flags: allow-oom
--
-- KEYS[1]   prefix of the partition
-- ARGV[1]   session
-- ARGV[2]   number of this exchange, from 1; the same again gets the same answer
-- ARGV[3]   how many jobs are wanted, 0 to 128
-- ARGV[4]   how many attempts the session runs besides those that end here
-- ARGV[5]   1: only jobs posted by jobs, newest first
-- ARGV[6]   lease, ms
-- ARGV[7]   queues it serves, joined by commas
-- ARGV[8]   functions it has, a comma before and after each
-- ARGV[9]   1: it has listeners
-- ARGV[10]  its group: a digest of queues and functions
-- ARGV[11]  attempts that end, for each: ID (16), session (8), epoch (3),
--   verdict (1), delay in ms (6)
-- ARGV[12..] for each of them its tail: result, failure and note, as Go encodes
--   them; then jobs to be posted if an end is accepted, for each: which of the
--   ends it follows, ID, pend name, stored job
--
-- Verdicts: S succeeded, F failed, C cancelled, K skipped, R retry, Z snooze,
-- L released.
--
-- Returns {'OK', lost IDs, claimed IDs, claimed jobs, flags}, each a string of
-- its parts; flags are M more, D drain for a suspect. {'GONE'}: no such session.
-- {'STALE'}: an older number. Neither changes anything.
local session, number, want = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if not call('ZSCORE', T .. 'sess', session) then return { 'GONE' } end

-- The same number: the same answer. Jobs are read again, if still ours.
local last = call('HGET', T .. 'last', session)
if last then
  local n, flags, nlost, rest = string.match(last, '^(%d+) (%a*) (%d+) (.*)$')
  n, nlost = tonumber(n), tonumber(nlost)
  if n > number then return { 'STALE' } end
  if n == number then
    local ids, jobs = {}, {}
    for i = nlost * 16 + 1, #rest, 16 do
      local id = sub(rest, i, i + 15)
      local own, v = call('HGET', T .. 'own', id), call('HGET', T .. 'jobs', id)
      if own and v and sub(own, 1, 11) == session .. sub(v, 7, 9) then
        ids[#ids + 1], jobs[#jobs + 1] = id, v
      end
    end
    return { 'OK', sub(rest, 1, nlost * 16), table.concat(ids), table.concat(jobs), flags }
  end
end

-- Checks: everything that is written below is looked at here.
local H, END = ARGV[11], 34
local ndone = #H / END
local ids, owns, vs, lost, slow = {}, {}, {}, {}, #ARGV > 11 + ndone
begin()
if ndone > 0 then
  for i = 1, ndone do ids[i] = sub(H, i * END - 33, i * END - 18) end
  owns, vs = call('HMGET', T .. 'own', unpack(ids)), call('HMGET', T .. 'jobs', unpack(ids))
  local seen, bucket = {}, nil
  for i = 1, ndone do
    local id, own, v = ids[i], owns[i], vs[i]
    if not own or sub(own, 1, 11) ~= sub(H, i * END - 17, i * END - 7) or not v or #v < 15 or byte(v, 1) ~= 1 or seen[id] then
      vs[i] = false
      lost[#lost + 1] = id
    else
      seen[id] = true
      if sub(id, 7, 11) ~= bucket then
        bucket = sub(id, 7, 11)
        call('HLEN', T .. 'res:' .. bucket)
      end
      if kind(id) == 1 then call('HGET', T .. 'run:' .. runOf(id), 'state') end
      if byte(H, i * END - 6) ~= 83 or byte(v, 6) ~= 0 or kind(id) == 1 then slow = true end
    end
  end
  if slow or any then guard() end
end

-- Moves. Most ends are plain: success, with nobody to tell but the record.
local plain = {}
for i = 1, ndone do
  local id, v, own, verdict = ids[i], vs[i], owns[i], byte(H, i * END - 6)
  if v then
    freed[#freed + 1] = id
    if verdict == 83 and byte(v, 6) == 0 and not any and kind(id) ~= 1 then
      local pend = pendOf(v)
      plain[pend] = (plain[pend] or 0) + 1
      keep(id, 'S' .. time6 .. sub(own, 12, 17) .. session .. v .. ARGV[11 + i])
      ended[#ended + 1] = id
    elseif verdict == 82 then -- R
      wait(id, v, 1, num(sub(H, i * END - 5, i * END)), ARGV[11 + i])
    elseif verdict == 90 then -- Z
      wait(id, v, 0, num(sub(H, i * END - 5, i * END)))
    elseif verdict == 76 then -- L
      giveBack(id, v)
    else
      finish(id, v, 'a', char(verdict), sub(own, 12, 17), session, ARGV[11 + i])
    end
  end
end
for pend, n in pairs(plain) do
  count(queueOf(pend), 'a', -n)
  count(queueOf(pend), 'S', n)
end
for a = 12 + ndone, #ARGV, 4 do
  if vs[tonumber(ARGV[a])] then
    changed[#changed + 1], changed[#changed + 2] = ARGV[a + 1], ARGV[a + 3]
    count(queueOf(ARGV[a + 2]), 'P', 1)
    count(queueOf(ARGV[a + 2]), 'r', 1)
    push(ARGV[a + 2], ARGV[a + 1])
  end
end
if any and #worklist == 0 then resume() end
if #worklist > 0 then settle() end
flushEnds()
flushPushes()

-- Claims. A session that gets less than it wanted is idle.
local qs = {}
for q in string.gmatch(ARGV[7], '[^,]+') do qs[#qs + 1] = q end
local out = claim(session, want, tonumber(ARGV[4]), ARGV[5] == '1', number, qs, ARGV[8], ARGV[9] == '1')
if #out.ids < want and not out.more and not out.drain then
  for _, q in ipairs(qs) do redis.pcall('SADD', T .. 'idle:' .. q .. ':' .. ARGV[10], session) end
end
ringPushed(true)
if out.left then ring(out.left) end

local flags = (out.more and 'M' or '') .. (out.drain and 'D' or '')
local lostIDs, claimed = table.concat(lost), table.concat(out.ids)
call('HSET', T .. 'last', session, number .. ' ' .. flags .. ' ' .. #lost .. ' ' .. lostIDs .. claimed)
call('ZADD', T .. 'sess', time + tonumber(ARGV[6]), session)
flushLetters()
flushCounts()
return { 'OK', lostIDs, claimed, table.concat(out.jobs), flags }
