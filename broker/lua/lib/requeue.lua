-- requeue: a job goes back to wait, under a new epoch: whoever held it before
-- is not believed any more, and old list entries are inert.
local function again(v, failed, lost, alone, flags, lane)
  local epoch = be(num(sub(v, 7, 9)) + 1, 3)
  local fails = math.min(num(sub(v, 10, 11)) + failed, 65535)
  local losses = math.min(byte(v, 12) + lost, 255)
  local pend = pendOf(v)
  local new = sub(v, 1, 5) .. char(flags) .. epoch .. be(fails, 2) .. char(losses) .. char(alone) ..
    sub(v, 14, 14 + #pend) .. lane .. sub(v, 16 + #pend)
  return new, epoch, sub(pend, 1, -2) .. lane
end

-- tellRun(id, letter): a node waits again.
local function tellRun(id, letter)
  if kind(id) == 1 then say(runAt(runOf(id)), letter, sub(id, 12, 14)) end
end

-- wait(id, v, failed, delay): from running to scheduled, or to ready at the end
-- of its line where there is no delay.
local function wait(id, v, failed, delay, tail)
  local f, pend = byte(v, 6), pendOf(v)
  if failed > 0 then
    remember(id, tail)
    if any then call('HDEL', T .. 'notes', id) end -- the tail has all that it has said
    if not has(f, HIST) then f = f + HIST end
  end
  local new, epoch = again(v, failed, 0, byte(v, 13), f, sub(pend, -1))
  changed[#changed + 1] = id
  changed[#changed + 1] = new
  count(queueOf(pend), 'a', -1)
  tellRun(id, delay > 0 and 'w' or 'r')
  if delay > 0 then
    count(queueOf(pend), 's', 1)
    call('ZADD', T .. 'delayed', time + delay, id .. epoch .. pend)
  else
    push(pend, entry(id, epoch))
  end
end

-- giveBack(id, v): from running to ready, first in line.
local function giveBack(id, v)
  local pend = pendOf(v)
  local new, epoch = again(v, 0, 0, byte(v, 13), byte(v, 6), sub(pend, -1))
  changed[#changed + 1] = id
  changed[#changed + 1] = new
  count(queueOf(pend), 'a', -1)
  tellRun(id, 'r')
  push(pend, entry(id, epoch), 'first')
end

-- lose(id, v, own, poison, tail): from running to ready, since its session was
-- lost: first in line the first time; after that it is a suspect and waits for a
-- session that holds nothing else. Only a loss while it ran alone is charged, and
-- poison of those make it a dead letter; true if so. A blocked attempt was not
-- running: what it waited for may be to blame, it is not.
local function lose(id, v, own, poison, tail)
  local alone = byte(v, 13)
  if sub(own, 18) == 'a' and call('HEXISTS', T .. 'waits', id) == 0 then alone = alone + 1 end
  call('HDEL', T .. 'waits', id)
  if alone >= poison then
    finish(id, v, 'a', 'F', sub(own, 12, 17), sub(own, 1, 8), tail, true)
    return true
  end
  local pend = pendOf(v)
  local lane = byte(v, 12) > 0 and 'x' or sub(pend, -1)
  local f, prio = byte(v, 6), string.find('lnh', string.lower(sub(pend, -1)), 1, true)
  if lane == 'x' and prio then f = f + SUSPECT * prio end -- the lane it had before
  local new, epoch, line = again(v, 0, 1, alone, f, lane)
  changed[#changed + 1] = id
  changed[#changed + 1] = new
  count(queueOf(pend), 'a', -1)
  tellRun(id, 'r')
  push(line, entry(id, epoch), 'first')
  return false
end
