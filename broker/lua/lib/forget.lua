-- forget(id, v): a dead letter is deleted, and its idempotency key is free again.
local function forget(id, v)
  if sound(v) then
    count(queueOf(pendOf(v)), 'F', -1)
    count(queueOf(pendOf(v)), 'D', 1)
    local _, _, idem = extras(v)
    if idem then call('DEL', T .. 'idem:' .. idem) end
  end
  call('HDEL', T .. 'jobs', id)
  call('HDEL', T .. 'hist', id)
  call('HDEL', T .. 'notes', id)
  call('HDEL', T .. 'saved', id)
  if call('HDEL', T .. 'logs', id) == 1 then call('UNLINK', T .. 'log:' .. id) end
  call('ZREM', T .. 'dead', id)
end

-- needed(id): a run that goes on may ask for its node.
local function needed(id)
  local state = kind(id) == 1 and call('HGET', T .. 'run:' .. runOf(id), 'state')
  return state == 'a' or state == 'r'
end
