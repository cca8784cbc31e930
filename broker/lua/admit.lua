-- admit.lua: nothing -> ready, scheduled. Jobs enter that must be looked up first:
-- they have keys, a delay, or an ID that may have been posted before.
-- include: base bytes now head count send bell ring push put
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  poster
-- ARGV[2]  number of this post, from 1; the same again changes nothing
-- ARGV[3..] for each job, at most 500: ID, stored job, pend name, delay in ms, 1 if
--   the ID may have been posted before, unique key or '', digest of the idempotency
--   key or '', digest of function and payload
--
-- Returns {'OK', answers}: for each job a letter and an ID: N it is new, E that job
-- was there before, X the key is taken by another payload.
-- {'STALE'}: an older number; nothing was changed.
local mine = T .. 'post:' .. ARGV[1]
local last = call('GET', mine)
if last then
  local n, answers = string.match(last, '^(%d+) (.*)$')
  n = tonumber(n or 0)
  if n == tonumber(ARGV[2]) then return { 'OK', answers } end
  if n > tonumber(ARGV[2]) then return { 'STALE' } end
end

-- Checks.
call('HLEN', T .. 'jobs')
call('SCARD', T .. 'queues')
call('ZCARD', T .. 'delayed')
call('HLEN', T .. 'unique')
local fresh, answers = {}, {}
local seen = { id = {}, unique = {}, idem = {} }
for a = 3, #ARGV, 8 do
  local j = { id = ARGV[a], v = ARGV[a + 1], pend = ARGV[a + 2], delay = tonumber(ARGV[a + 3]),
    again = ARGV[a + 4] == '1', unique = ARGV[a + 5], idem = ARGV[a + 6], digest = ARGV[a + 7] }
  call('LLEN', T .. 'pend:' .. j.pend)
  call('SCARD', T .. 'live:' .. queueOf(j.pend))
  local answer = look(j, seen)
  answers[#answers + 1] = answer
  if answer == 'N' .. j.id then fresh[#fresh + 1] = j end
end

-- Moves.
for _, j in ipairs(fresh) do
  put(j.id, j.v, j.pend, j.delay)
  if j.unique ~= '' then call('HSET', T .. 'unique', j.unique, j.id) end
  if j.idem ~= '' then call('SET', T .. 'idem:' .. j.idem, j.id .. j.digest) end
end
flushPuts()
flushPushes()
ringPushed(false)
flushCounts()
local text = table.concat(answers)
call('SET', mine, ARGV[2] .. ' ' .. text, 'PX', 600000)
return { 'OK', text }
