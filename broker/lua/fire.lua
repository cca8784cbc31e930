-- fire.lua: nothing -> ready, scheduled. Times of schedules have come: their jobs enter.
-- Up to when a schedule is dealt with is kept beside it and moves in this very step, so
-- a time has one job however many schedulers come with it, and however late.
-- include: base bytes now head count send bell ring push put cron
--
-- KEYS[1]  prefix of the partition
-- ARGV[1..]  for each, at most 100, those of one schedule in order: name, revision (6),
--   time in ms, 1 if nothing is posted while the last job lives, job or '' to post
--   nothing at all, stored job, pend name, delay in ms. Without a revision it is
--   posted whatever the schedule says, as one of nobody's time.
--
-- Returns {'OK', now, version, answers}: for each a letter: N it was posted, or is passed
-- over; D it was dealt with before; O the last job lives; C the schedule is another, or
-- paused, or none; E it is too early.
cronGuard()
call('HLEN', T .. 'jobs')
call('SCARD', T .. 'queues')
call('ZCARD', T .. 'delayed')
local time, answers, fresh, states, order, entered = now(), {}, {}, {}, {}, {}

-- lives(id): the job has not ended.
local function lives(id)
  if entered[id] then return true end
  local v = id ~= NOBODY and call('HGET', T .. 'jobs', id)
  return v and (byte(v, 6) or 0) < DEAD
end

-- judge(j, s): what becomes of a time of a schedule that stands as s says.
local function judge(j, s)
  if j.rev == '' then
    if s.job == j.id or known(j.id) then return 'D' end
    return s.v and 'N' or 'C'
  end
  if not s.v or not s.mark or sub(s.v, 1, 6) ~= j.rev or sub(s.v, 7, 7) ~= '0' then return 'C' end
  if j.at <= s.mark then return 'D' end
  if j.at > time then return 'E' end
  s.mark = j.at
  if j.alone and j.id ~= '' and lives(s.job) then return 'O' end
  return 'N'
end

-- stateOf(name): how a schedule stands.
local function stateOf(name)
  if not states[name] then
    local v, f = cronOf(name)
    states[name] = { v = v, was = f, mark = f and num(sub(f, 1, 6)), last = f and sub(f, 7, 12) or UNFIRED, job = f and sub(f, 13) or NOBODY }
    order[#order + 1] = name
  end
  return states[name]
end

-- Checks.
for a = 1, #ARGV, 8 do
  local j = { rev = ARGV[a + 1], at = tonumber(ARGV[a + 2]), alone = ARGV[a + 3] == '1', id = ARGV[a + 4],
    v = ARGV[a + 5], pend = ARGV[a + 6], delay = tonumber(ARGV[a + 7]) }
  local s = stateOf(ARGV[a])
  if j.id ~= '' then
    call('LLEN', T .. 'pend:' .. j.pend)
    call('SCARD', T .. 'live:' .. queueOf(j.pend))
  end
  local answer = judge(j, s)
  if answer == 'N' and j.id ~= '' then
    if j.rev ~= '' then s.last = be(j.at, 6) end
    s.job, entered[j.id], fresh[#fresh + 1] = j.id, true, j
  end
  answers[#answers + 1] = answer
end

-- Moves.
for _, name in ipairs(order) do
  local s = states[name]
  local f = s.mark and be(s.mark, 6) .. s.last .. s.job
  if s.v and f and f ~= s.was then call('HSET', T .. 'fired', name, f) end
end
for _, j in ipairs(fresh) do put(j.id, j.v, j.pend, j.delay) end
flushPuts()
flushPushes()
ringPushed(false)
flushCounts()
return { 'OK', time, call('GET', T .. 'cronv') or '0', table.concat(answers) }
