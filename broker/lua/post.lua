-- post.lua: nothing -> ready, scheduled. Jobs enter, each once.
-- include: base now head count bell ring push put
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  poster
-- ARGV[2]  number of this post, from 1; the same again changes nothing
-- ARGV[3]  plain jobs: how many lists; then for each:
--   pend name, how many jobs; for each: ID, stored job
-- then     careful jobs: how many; then for each:
--   ID, stored job, pend name, delay in ms, 1 if the ID may have been posted
--   before, unique key or '', digest of the idempotency key or '', digest of
--   function and payload
--
-- Plain jobs have IDs that nobody has seen. Careful ones are looked up first.
--
-- Returns {'OK', answers}: for each careful job a letter and an ID: N it is new,
-- E that job was there before, X the key is taken by another payload.
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
local plain, at = tonumber(ARGV[3]), 4
for _ = 1, plain do
  call('LLEN', T .. 'pend:' .. ARGV[at])
  call('SCARD', T .. 'live:' .. queueOf(ARGV[at]))
  at = at + 2 + 2 * tonumber(ARGV[at + 1])
end
local careful, answers = {}, {}
local seen = { id = {}, unique = {}, idem = {} }
local base = at + 1
for i = 1, tonumber(ARGV[at]) do
  local a = base + (i - 1) * 8
  local j = { id = ARGV[a], v = ARGV[a + 1], pend = ARGV[a + 2], delay = tonumber(ARGV[a + 3]),
    again = ARGV[a + 4] == '1', unique = ARGV[a + 5], idem = ARGV[a + 6], digest = ARGV[a + 7] }
  call('LLEN', T .. 'pend:' .. j.pend)
  call('SCARD', T .. 'live:' .. queueOf(j.pend))
  answers[i] = look(j, seen)
  if answers[i] == 'N' .. j.id then careful[#careful + 1] = j end
end

-- Moves.
at = 4
for _ = 1, plain do
  local pend, n = ARGV[at], tonumber(ARGV[at + 1])
  for i = at + 2, at + 2 * n, 2 do put(ARGV[i], ARGV[i + 1], pend, 0) end
  at = at + 2 + 2 * n
end
for _, j in ipairs(careful) do
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
