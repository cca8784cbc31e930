-- cancel.lua: blocked, scheduled, ready, running -> cancelled. Who runs one is
-- told now, and again by its beats; from here on its reports are not believed.
-- include: base bytes now head fields count send bell ring push tell ends finish halt run exits stop line follow revive phases settle guard
-- maps: kin mint brood reopen
-- flags: allow-oom
--
-- KEYS[1]   prefix of the partition
-- ARGV[1..] IDs, at most 128, also of runs
--
-- Returns {'OK', a letter for each}: C cancelled now, S F C K as it had ended
-- before, K skipped since another of these was cancelled, ? unknown. A run that is
-- being cancelled is C; its nodes end by and by, but none starts any more.
local answer, live = {}, {}
guard()
begin()
for i, id in ipairs(ARGV) do
  local v, own = call('HGET', T .. 'jobs', id), call('HGET', T .. 'own', id)
  local record = call('HGET', T .. 'res:' .. sub(id, 7, 11), id)
  local state = kind(id) == 2 and call('HGET', T .. 'run:' .. id, 'state')
  local of = kind(id) == 1 and call('HGET', T .. 'run:' .. runOf(id), 'state')
  if own then call('SCARD', T .. 'revoked:' .. sub(own, 1, 8)) end
  if state == 'a' or state == 'r' then
    answer[i] = 'C'
    live[#live + 1] = { id = id, place = i, run = true }
  elseif state and state ~= '-' and state ~= 'x' then
    answer[i] = state
  elseif record then
    answer[i] = sub(record, 1, 1)
  elseif not sound(v) or of == '-' or of == 'x' then -- or not seen yet
    answer[i] = '?'
  elseif byte(v, 6) >= DEAD then
    answer[i] = 'F'
  else
    answer[i] = 'C'
    live[#live + 1] = { id = id, place = i }
  end
end

for _, j in ipairs(live) do
  local r = j.run and runAt(j.id)
  local v = not j.run and call('HGET', T .. 'jobs', j.id)
  if r then
    answer[j.place] = r.stop or 'C'
    stopRun(r, 'C')
  elseif v then
    halt(j.id, v, 'C')
  elseif not j.run then -- skipped meanwhile, as a dependent of one of these
    answer[j.place] = sub(call('HGET', T .. 'res:' .. sub(j.id, 7, 11), j.id) or '?', 1, 1)
  end
  settle()
  flushEnds()
  local state = r and call('HGET', r.key, 'state')
  if state and state ~= 'a' and state ~= 'r' then answer[j.place] = state end
end
flushPushes()
ringPushed(false)
flushLetters()
flushCounts()
return { 'OK', table.concat(answer) }
