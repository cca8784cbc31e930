-- tick.lua: what time brings. scheduled -> ready when due; running -> ready (or
-- failed, as poison) when the session was lost; continuations of large runs;
-- dead letters that outlived their retention go.
-- include: base bytes now head fields count send bell ring push tell ends finish halt run exits stop line follow revive phases settle requeue due guard forget rate
-- maps: kin mint brood reopen
-- flags: allow-oom
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  1: go on at once, this caller's last tick said MORE
-- ARGV[2]  how often a tick is due, ms
-- ARGV[3]  how many losses while alone make a job poison
-- ARGV[4]  how long dead letters are kept, ms; 0 for ever
-- ARGV[5]  tail of the failure of a poisonous job
-- ARGV[6]  how much of each is done at once
--
-- Returns {'OK', woken, sessions, lost, poisoned, released, swept, more},
-- or {'LATER'}: another tick was less than that ago; nothing was changed.
local last, scan, limit = call('GET', T .. 'tick'), call('GET', T .. 'scan'), tonumber(ARGV[6])
guard()
begin()
call('HLEN', T .. 'jobs')
call('HLEN', T .. 'own')
call('HLEN', T .. 'last')
call('HLEN', T .. 'workers')
call('ZCARD', T .. 'sess')
call('ZCARD', T .. 'staged')
local longest = tonumber(call('GET', T .. 'lease') or 0) or 0
if ARGV[1] ~= '1' then
  -- A clock that was set back must not stop the ticks.
  local ago = last and time - (tonumber(last) or 0)
  if ago and ago >= 0 and ago < tonumber(ARGV[2]) then return { 'LATER' } end
end
call('SET', T .. 'tick', time)
local before = floor((tonumber(last) or time) / 60000)
if before ~= floor(time / 60000) then rate(before) end
local n = { woken = 0, sessions = 0, lost = 0, poisoned = 0, released = 0, swept = 0 }
local more = false

-- Delayed jobs whose time has come.
n.woken = due(limit)
more = n.woken == limit

-- A clock that was set back must not lengthen leases: none lasts for longer from
-- now than the longest that was asked for.
if longest > 0 then
  local far = call('ZRANGEBYSCORE', T .. 'sess', '(' .. int(time + longest), '+inf', 'LIMIT', 0, 2000)
  for _, s in ipairs(far) do call('ZADD', T .. 'sess', int(time + longest), s) end
end

-- Sessions that were silent for longer than their lease. What they owned is
-- found by the scan below: an owner that is no session is lost.
local gone = call('ZRANGEBYSCORE', T .. 'sess', '-inf', '(' .. time, 'LIMIT', 0, 64)
for _, s in ipairs(gone) do
  call('ZREM', T .. 'sess', s)
  call('HDEL', T .. 'last', s, s .. '\1', s .. '\2', s .. '\3')
  call('HDEL', T .. 'workers', s)
end
n.sessions = #gone
more = more or #gone == 64

-- The scan goes on from tick to tick while there is something to scan, and
-- begins anew when a session is lost, and else twice a minute.
local cursor, stamp = string.match(scan or '', '^(%d+) (%d+)$')
stamp = tonumber(stamp or 0)
if #gone > 0 or (cursor == '0' and (time - stamp > 30000 or stamp > time)) or not cursor then
  cursor, stamp = '0', time
elseif cursor == '0' then
  cursor = nil
end
if cursor then
  local alive = {}
  local got = call('HSCAN', T .. 'own', cursor, 'COUNT', limit)
  for i = 1, #got[2], 2 do
    local id, own = got[2][i], got[2][i + 1]
    local s = sub(own, 1, 8)
    if #id == 16 and alive[s] == nil then alive[s] = call('ZSCORE', T .. 'sess', s) or false end
    if #id == 16 and not alive[s] then
      local v = call('HGET', T .. 'jobs', id)
      freed[#freed + 1] = id
      if sound(v) then
        n.lost = n.lost + 1
        if lose(id, v, own, tonumber(ARGV[3]), ARGV[5]) then n.poisoned = n.poisoned + 1 end
      end
    end
  end
  call('SET', T .. 'scan', got[1] .. ' ' .. stamp)
  more = more or got[1] ~= '0'
end

-- Continuations, and what the dead letters above have left behind them.
while #worklist < 64 and resume() do more = true end
n.released = settle()
flushEnds()
more = more or call('LLEN', T .. 'cont') > 0

-- Dead letters that are old enough.
if tonumber(ARGV[4]) > 0 then
  local old = call('ZRANGEBYSCORE', T .. 'dead', '-inf', time - tonumber(ARGV[4]), 'LIMIT', 0, limit)
  for _, id in ipairs(old) do forget(id, call('HGET', T .. 'jobs', id)) end
  n.swept = #old
  more = more or #old == limit
end

-- Runs of which nobody has sent the rest.
for _, R in ipairs(call('ZRANGEBYSCORE', T .. 'staged', '-inf', time, 'LIMIT', 0, 1)) do
  local run, gone = T .. 'run:' .. R, {}
  local nodes, from = tonumber(pcall('HGET', run, 'n')) or 0, tonumber(pcall('HGET', run, 'swept')) or 0
  for i = from, #R == 16 and math.min(from + limit, nodes) - 1 or -1 do gone[#gone + 1] = nodeOf(R, be(i, 3)) end
  if #gone > 0 then call('HDEL', T .. 'jobs', unpack(gone)) end
  if #gone > 0 and from + limit < nodes then
    pcall('HSET', run, 'state', 'x', 'swept', int(from + limit))
    more = true
  else
    call('DEL', run, T .. 'line:' .. R)
    call('ZREM', T .. 'staged', R)
  end
end

-- Lists that are not empty get a bell: one that was lost is made up for.
for _, queue in ipairs(call('SRANDMEMBER', T .. 'queues', 16)) do
  local lists, paused = pcall('SRANDMEMBER', T .. 'live:' .. queue, 16), false
  for _, m in ipairs(lists) do paused = paused or m == PAUSED end
  for i = 1, paused and 0 or #lists do ring(queue .. ':' .. lists[i]) end
end
flushPushes()
ringPushed(false)
flushLetters()
flushCounts()
return { 'OK', n.woken, n.sessions, n.lost, n.poisoned, n.released, n.swept, more and 1 or 0 }
