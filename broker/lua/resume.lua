-- resume.lua: failed, cancelled, skipped -> blocked, ready. A run that has failed or was
-- cancelled goes on from where it was: nodes that succeeded are not run again. One that
-- is paused goes on.
-- include: base bytes now head fields count send bell ring push tell ends finish halt run exits stop line follow revive phases settle guard
-- maps: kin mint brood reopen
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  run
-- ARGV[2]  how many times it will have been resumed: the same again changes nothing
--
-- Returns {'OK', state}: a, the run goes on; S F C, it has ended so and does
-- not go on; w, it is still being stopped, and nothing was changed; ?, unknown.
local R, key = ARGV[1], T .. 'run:' .. ARGV[1]
local state, times, stop, paused = unpack(call('HMGET', key, 'state', 'again', 'stop', 'paused'))
if not state or state == '-' or state == 'x' then return { 'OK', '?' } end
local seen, live = tonumber(times or 0) >= tonumber(ARGV[2]), state == 'a' or state == 'r'
if not seen and stop and live then return { 'OK', 'w' } end
if seen or state == 'S' or live and not paused then
  if not seen then call('HSET', key, 'again', ARGV[2]) end -- should it come again later, it changes nothing then
  return { 'OK', state == 'r' and 'a' or state }
end
guard()
begin()
call('HLEN', T .. 'jobs')
call('HLEN', T .. 'res:' .. bucketOf(R))
call('LLEN', T .. 'line:' .. R)
call('HDEL', key, 'paused')
if live then
  local y = call('HGET', key, 'y') or ''
  call('HDEL', key, 'y')
  for i = 1, #y - 5, 6 do
    local id, epoch = nodeOf(R, sub(y, i, i + 2)), sub(y, i + 3, i + 5)
    local v = call('HGET', T .. 'jobs', id)
    if sound(v) and byte(v, 6) < DEAD and sub(v, 7, 9) == epoch then push(pendOf(v), entry(id, epoch), 'later') end
  end
  call('HSET', key, 'again', ARGV[2])
  worklist[1] = { id = R, state = 'L', chunk = 0 }
else
  call('HDEL', key, 'stop', 'f', 'end', 'd', 'y', 'halted', 'xe')
  call('HSET', key, 'state', 'r', 'again', ARGV[2], 'turn', ARGV[2], 'rn', '0', 'rc', '0', 'w', '0', 'l', '0')
  call('PERSIST', key)
  call('PERSIST', T .. 'res:' .. bucketOf(R))
  call('PERSIST', T .. 'events:' .. R)
  call('DEL', T .. 'line:' .. R)
  worklist[1] = { id = R, state = 'R', chunk = tonumber(ARGV[2]) % 16777216 }
end
say(runAt(R), 'a')
settle()
flushEnds()
flushPushes()
ringPushed(false)
flushLetters()
flushCounts()
state = call('HGET', key, 'state')
return { 'OK', state == 'r' and 'a' or state }
