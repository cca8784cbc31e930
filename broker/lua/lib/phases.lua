-- phases: revive(r, phase) does a step, and returns the phase of the next one.
local function revive(r, phase)
  local at, chunk = unpack(call('HMGET', r.key, 'rn', 'rc'))
  at, chunk = tonumber(at or 0) or 0, tonumber(chunk or 0) or 0
  local first = at
  while at < r.n and edges < EDGES and at - first < 64 and not r.stop do
    local list = phase == 'Q' and call('HGET', r.key, 'k' .. be(at, 3) .. be(chunk, 3)) or ''
    if phase == 'R' then reset(r, at) end
    if phase == 'P' then go(r, at) end
    for k = 1, #list, KID do await(r, sub(list, k, k + 2), byte(list, k + 4)) end
    edges = edges + 4 + #list / KID
    if #list == KID * CHUNK then
      chunk = chunk + 1
    else
      at, chunk = at + 1, 0
    end
  end
  if r.stop then return nil end
  if at < r.n then
    call('HSET', r.key, 'rn', int(at), 'rc', int(chunk))
    return phase
  end
  call('HSET', r.key, 'rn', '0', 'rc', '0')
  if phase == 'R' then return 'Q' end
  if phase == 'Q' then return 'P' end
  set(r, 'state', 'a')
  r.resumed = true -- and from fill on, nodes start
  if r.S + r.F + r.C + r.K == r.n then endRun(r) end
  return nil
end
