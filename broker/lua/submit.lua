-- submit.lua: nothing -> ready, blocked. A run enters whole, or nothing of it: a large
-- one in parts, of which nothing is seen before the last.
-- include: base bytes now head count send bell ring push put fields run line
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  run
-- ARGV[2]  nonce: the same part again with the same nonce changes nothing
-- ARGV[3]  number of this part, from 0
-- ARGV[4]  1: it is the last one
-- ARGV[5]  how long the run may take, ms; 0 for ever
-- ARGV[6]  how many pend names it has
-- ARGV[7]  how many fields of the run's hash; then field and value of each
-- then     how many nodes; then for each:
--   ID, stored job, pend name, 1 if it waits for parents, byte of the pend name
--
-- Returns {'OK'}. {'CONFLICT'}: the ID belongs to another run. {'GONE'}: a part is
-- missing, since nothing came for so long that those before it were removed. Then
-- nothing was changed.
local STAGED = 3600000 -- ms that parts wait for the next one
local R, key, part = ARGV[1], T .. 'run:' .. ARGV[1], tonumber(ARGV[3])
local nonce, state, parts = unpack(call('HMGET', key, 'nonce', 'state', 'parts'))
parts = tonumber(parts or 0)
if nonce and nonce ~= ARGV[2] then return { 'CONFLICT' } end
if state == 'x' or part > parts then return { 'GONE' } end
if nonce and (state ~= '-' or part < parts) then return { 'OK' } end

-- Checks.
call('HLEN', T .. 'jobs')
call('SCARD', T .. 'queues')
call('ZCARD', T .. 'staged')
call('ZCARD', T .. 'delayed')
call('LLEN', T .. 'line:' .. R)
call('HLEN', T .. 'res:' .. bucketOf(R))
local fields = tonumber(ARGV[7])
local at = 8 + 2 * fields
local nodes = tonumber(ARGV[at])
for i = at + 1, at + 5 * nodes, 5 do
  call('LLEN', T .. 'pend:' .. ARGV[i + 2])
  call('SCARD', T .. 'live:' .. queueOf(ARGV[i + 2]))
end

-- Moves.
local last, small = ARGV[4] == '1', ARGV[4] == '1' and part == 0
local time = now()
for i = 8, 7 + 2 * fields, ROOM do call('HSET', key, unpack(ARGV, i, math.min(i + ROOM - 1, 7 + 2 * fields))) end
call('HSET', key, 'nonce', ARGV[2], 'state', last and 'a' or '-', 'begun', int(time), 'parts', part + 1)
local w, line, names, begun = 0, {}, {}, {}
for i = at + 1, at + 5 * nodes, 5 do
  local id, pend, name = ARGV[i], ARGV[i + 2], ARGV[i + 4]
  stored[#stored + 1], stored[#stored + 2] = id, ARGV[i + 1]
  names[name] = (names[name] or 0) + 1
  if ARGV[i + 3] == '1' then
    if small then count(queueOf(pend), 'b', 1) end
  elseif small and w < WINDOW then
    w = w + 1
    begun[#begun + 1] = sub(id, 12, 14)
    push(pend, id)
  else
    if small then count(queueOf(pend), 'b', 1) end
    call('HSET', key, 'p' .. sub(id, 12, 14), '0')
    line[#line + 1] = sub(id, 12, 14) .. name
  end
end
flushPuts()
if #line > 0 then call('RPUSH', T .. 'line:' .. R, unpack(line)) end
for name, n in pairs(names) do
  if small then
    count(queueOf(call('HGET', key, 'q' .. name)), 'P', n)
  else
    call('HINCRBY', key, 'c' .. name, n)
  end
end
if not last then
  call('ZADD', T .. 'staged', int(time + STAGED), R)
else
  if not small then
    for b = 0, tonumber(ARGV[6]) - 1 do
      local queue, n = queueOf(call('HGET', key, 'q' .. char(b))), tonumber(call('HGET', key, 'c' .. char(b)) or 0)
      count(queue, 'P', n)
      count(queue, 'b', n)
      call('HDEL', key, 'c' .. char(b))
    end
    call('ZREM', T .. 'staged', R)
  end
  if ARGV[5] ~= '0' then call('ZADD', T .. 'delayed', int(time + tonumber(ARGV[5])), R .. EPOCH0) end
  local r = runAt(R)
  set(r, 'w', w)
  set(r, 'l', call('LLEN', T .. 'line:' .. R))
  say(r, 'a')
  for i = 1, #begun do say(r, 'r', begun[i]) end
  fill(r)
  flushRuns()
end
flushPushes()
ringPushed(false)
flushCounts()
return { 'OK' }
