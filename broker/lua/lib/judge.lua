-- judge: which of the entries that were taken are claimed. An entry whose job is
-- gone, ended, of another epoch or of a run that was stopped is dropped.
local MAXBYTES = 4194304 -- of envelopes in one answer: more would hold Redis up

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
  local vs = pcall('HMGET', T .. 'jobs', unpack(ids))
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
        (epoch and sub(v, 7, 9) == epoch or not epoch and e1 + e2 + e3 == 0) and
        not (kind(ids[i]) == 1 and seldom().halted(ids[i], v)) then
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
