-- cron: schedules. In cron by name: revision (6), 1 if paused else 0, digest of when it
-- fires (8), digest of what a program has declared or zeros (8), then what only Go reads.
-- In fired: up to when it is dealt with (6), the latest time that has a job (6), the last
-- job (16). cronv is the latest revision.
local UNFIRED, NOBODY = string.rep('\0', 6), string.rep('\0', 16)

-- revised(): the next revision.
local function revised()
  local n = tonumber(call('GET', T .. 'cronv') or '0') + 1
  call('SET', T .. 'cronv', int(n))
  return be(n, 6)
end

-- cronOf(name): a schedule and what was fired of it; nil where it is not as it was written.
local function cronOf(name)
  local v, f = call('HGET', T .. 'cron', name), call('HGET', T .. 'fired', name)
  return v and #v >= 23 and v or nil, f and #f == 28 and f or nil
end

-- markAt(name, f, time): nothing up to a time is fired any more.
local function markAt(name, f, time)
  f = f or UNFIRED .. UNFIRED .. NOBODY
  if num(sub(f, 1, 6)) < time then f = be(time, 6) .. sub(f, 7) end
  call('HSET', T .. 'fired', name, f)
end

-- cronGuard(): raises now what a damaged key would raise half-way.
local function cronGuard()
  call('HLEN', T .. 'cron')
  call('HLEN', T .. 'fired')
  if not tonumber(call('GET', T .. 'cronv') or '0') then error('cronv is no number') end
end
