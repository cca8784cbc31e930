-- phases: the steps of a resume, see lib/revive.lua.

-- await(r, number, accept): a child waits for one more parent, if it did not succeed.
local function await(r, number, accept)
  if not call('HGET', r.key, 'p' .. number) then return end
  local o = (accept == 1 or accept == 2) and (call('HGET', r.key, 'o' .. number) or '')
  if not o or o == '' then call('HINCRBY', r.key, 'p' .. number, 1) end
  if not o then return end
  local left = o == '' and 0 or num(sub(o, 1, 3))
  local need = o == '' and be(tonumber(call('HGET', r.key, 'a' .. number) or 0), 3) or sub(o, 4)
  call('HSET', r.key, 'o' .. number, be(left + 1, 3) .. need)
end

-- revive(r, phase): does a step, and returns the phase of the next one.
local function revive(r, phase)
  local at, chunk = unpack(call('HMGET', r.key, 'rn', 'rc'))
  at, chunk = tonumber(at or 0) or 0, tonumber(chunk or 0) or 0
  local first, top = at, r.top or r.n
  while at < top and edges < EDGES and at - first < 64 and not r.stop do
    if r.top then at = kin.leap(r, at) end
    if at >= top then break end
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
  if at < top then
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
