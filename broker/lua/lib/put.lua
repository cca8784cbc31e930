-- put(id, v, pend, delay): a new job is stored, and enters its list or waits
-- for its time.
local stored = {}
local function put(id, v, pend, delay)
  stored[#stored + 1] = id
  stored[#stored + 1] = v
  local queue = queueOf(pend)
  count(queue, 'P', 1)
  if delay > 0 then
    count(queue, 's', 1)
    local m = id .. EPOCH0 .. pend
    call('ZADD', T .. 'delayed', now() + delay, m)
    call('SADD', T .. 'queues', queue)
    if call('ZRANK', T .. 'delayed', m) == 0 then ring(pend) end -- somebody must know when
  else
    push(pend, id)
  end
end

local function flushPuts()
  for i = 1, #stored, ROOM do call('HSET', T .. 'jobs', unpack(stored, i, math.min(i + ROOM - 1, #stored))) end
  stored = {}
end

local function known(id)
  return call('HEXISTS', T .. 'jobs', id) == 1 or call('HEXISTS', T .. 'res:' .. sub(id, 7, 11), id) == 1
end

-- look(job, seen): whether a job is new, by its ID and its keys. seen has those
-- of the same script, which are not written yet.
local function look(j, seen)
  if seen.id[j.id] or j.again and known(j.id) then return 'E' .. j.id end
  if j.idem ~= '' then
    local old = seen.idem[j.idem] or call('GET', T .. 'idem:' .. j.idem)
    local id = old and sub(old, 1, 16)
    if old and (seen.idem[j.idem] or known(id)) then
      if sub(old, 17) ~= j.digest then return 'X' .. id end
      return 'E' .. id
    end
  end
  if j.unique ~= '' then
    local id = seen.unique[j.unique] or call('HGET', T .. 'unique', j.unique)
    if id and (seen.unique[j.unique] or call('HEXISTS', T .. 'jobs', id) == 1) then return 'E' .. id end
  end
  seen.id[j.id] = true
  if j.unique ~= '' then seen.unique[j.unique] = j.id end
  if j.idem ~= '' then seen.idem[j.idem] = j.id .. j.digest end
  return 'N' .. j.id
end
