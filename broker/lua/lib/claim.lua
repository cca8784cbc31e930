-- claim: gives ready jobs to a session. An entry whose job is gone, ended or of
-- another epoch is dropped; at most 2n are looked at for n jobs.
local MAXBYTES = 4194304 -- of envelopes in one answer: more would hold Redis up
local SUSPECT_HOLD, SUSPECT_REST = 30000, 150000 -- ms

-- judge(got, out, session, mark): reads the jobs of the entries and claims the
-- sound ones; what does not fit the answer any more is put back in order. At
-- epoch 0, where most jobs are, an entry is the ID, and all own values are alike.
local function judge(got, out, session, mark)
  local es = got.e
  if #es == 0 then return end
  local first, ids, epochs = session .. EPOCH0 .. time6 .. mark, es, {}
  for i = 1, #es do
    if #es[i] ~= 16 then
      if ids == es then ids = { unpack(es) } end
      ids[i], epochs[i] = sub(es[i], 1, 16), sub(es[i], 17)
    end
  end
  local vs = redis.pcall('HMGET', T .. 'jobs', unpack(ids))
  if vs.err then vs = {} end
  local oi, oj, own, n, back = out.ids, out.jobs, out.own, #out.ids, #es + 1
  local pend, k = nil, 0
  for i = 1, #es do
    local v, epoch = vs[i], epochs[i]
    if out.bytes >= MAXBYTES then
      back = i
      break
    end
    if v and #v >= 15 then
      local ver, a, b, c, d, f, e1, e2, e3 = byte(v, 1, 9)
      if ver == 1 and ((a * 256 + b) * 256 + c) * 256 + d == #v and f < DEAD and
        (epoch and sub(v, 7, 9) == epoch or not epoch and e1 + e2 + e3 == 0) then
        n = n + 1
        oi[n], oj[n] = ids[i], v
        own[2 * n - 1], own[2 * n] = ids[i], epoch and session .. epoch .. time6 .. mark or first
        out.bytes = out.bytes + #v
        if pend ~= got.p[i] then
          if pend then out.pends[pend] = (out.pends[pend] or 0) + k end
          pend, k = got.p[i], 0
        end
        k = k + 1
      end
    end
  end
  if pend then out.pends[pend] = (out.pends[pend] or 0) + k end
  for i = #es, back, -1 do
    out.back[#out.back + 1] = { e = es[i], pend = got.p[i] }
  end
end

-- suspect(lanes, ...): a job that may lose its worker runs only in a session
-- that holds nothing else. One busy session at a time is chosen to drain for it.
local function suspect(lanes, session, held, turn, out)
  if not lanes.x then return false end
  if held == 0 then
    local got = { e = {}, p = {} }
    take(lanes.x, 1, turn, false, got)
    judge(got, out, session, 'a')
    if #out.ids > 0 then call('DEL', T .. 'alone') end
    return #out.ids > 0
  end
  local chosen = redis.pcall('GET', T .. 'alone')
  if type(chosen) == 'string' and chosen ~= session then return false end
  if type(chosen) ~= 'string' then
    -- Who could not drain in time is not asked again for a while.
    if not call('SET', T .. 'rest:' .. session, '', 'NX', 'PX', SUSPECT_REST) then return false end
    call('SET', T .. 'alone', session, 'PX', SUSPECT_HOLD)
  end
  out.drain = true
  return true
end

-- claim(session, want, held, children, turn, queues, functions, listeners)
local function claim(session, want, held, children, turn, qs, functions, listeners)
  local out = { ids = {}, jobs = {}, own = {}, pends = {}, back = {}, bytes = 0 }
  for q = 1, #qs do
    local queue = qs[(q + turn - 1) % #qs + 1]
    local lanes = candidates(queue, functions, listeners)
    local alone = want > 0 and #out.ids == 0 and suspect(lanes, session, held, turn, out)
    for look = 1, 2 do
      if alone or #out.ids >= want or #out.back > 0 then break end
      local got, n = { e = {}, p = {} }, want - #out.ids
      for _, rank in ipairs(RANKS) do
        local mine, others = lanes[rank], not children and lanes[LOWER[rank]]
        if mine then
          take(mine, others and floor((n - #got.e + turn % 2) / 2) or n - #got.e, turn, children, got)
        end
        if others then take(others, n - #got.e, turn, false, got) end
        if mine then take(mine, n - #got.e, turn, children, got) end
      end
      judge(got, out, session, '')
    end
    local more, left = drop(queue, lanes, children)
    out.more, out.left = out.more or more, out.left or left
    if alone then break end
  end
  local unpop = children and 'RPUSH' or 'LPUSH'
  for _, g in ipairs(out.back) do
    call(unpop, T .. 'pend:' .. g.pend, g.e)
    call('SADD', T .. 'live:' .. queueOf(g.pend), string.match(g.pend, ':(.*)$'))
    out.more, out.left = g.pend, g.pend
  end
  if #out.own > 0 then call('HSET', T .. 'own', unpack(out.own)) end
  for pend, n in pairs(out.pends) do
    count(queueOf(pend), 'r', -n)
    count(queueOf(pend), 'a', n)
  end
  return out
end
