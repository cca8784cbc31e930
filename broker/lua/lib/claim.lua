-- claim: gives ready jobs to a session; at most 2n entries are looked at for n jobs.
-- claim(session, want, held, children, turn, queues, functions, listeners)
local function claim(session, want, held, children, turn, qs, functions, listeners)
  local out = { ids = {}, jobs = {}, own = {}, pends = {}, back = {}, bytes = 0 }
  local lanesOf, alone = {}, false
  for q = 1, #qs do
    lanesOf[q] = candidates(qs[q], functions, listeners)
    alone = alone or want > 0 and suspect(lanesOf[q], session, held, turn, out)
  end
  for i = 1, #qs do
    local q = (i + turn - 1) % #qs + 1
    local queue, lanes = qs[q], lanesOf[q]
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
      -- Those that wait may wait for jobs that no job has posted.
      for _, rank in ipairs(children and RANKS or {}) do
        take(lanes[LOWER[rank]], n - #got.e, turn, false, got)
      end
      judge(got, out, session, '')
    end
    out.more = drop(queue, lanes) or out.more
  end
  for _, g in ipairs(out.back) do
    local unpop = children and LOWER[sub(g.pend, -1)] and 'RPUSH' or 'LPUSH'
    call(unpop, T .. 'pend:' .. g.pend, g.e)
    call('SADD', T .. 'live:' .. queueOf(g.pend), string.match(g.pend, ':(.*)$'))
    out.more = g.pend
  end
  if #out.own > 0 then call('HSET', T .. 'own', unpack(out.own)) end
  for pend, n in pairs(out.pends) do count(queueOf(pend), 'a', n) end
  return out
end
