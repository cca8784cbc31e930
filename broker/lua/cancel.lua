-- cancel.lua: blocked, scheduled, ready, running -> cancelled. Who runs one is
-- told now, and again by its beats; from here on its reports are not believed.
-- include: base bytes now head fields count bell ring push tell ends finish run guard
-- flags: allow-oom
--
-- KEYS[1]   prefix of the partition
-- ARGV[1]   how long a session is reminded, ms
-- ARGV[2..] IDs, at most 128
--
-- Returns {'OK', a letter for each}: C cancelled now, S F C K as it had ended
-- before, K skipped since another of these was cancelled, ? unknown.
local answer, live = {}, {}
guard()
begin()
for i = 2, #ARGV do
  local id = ARGV[i]
  local v, own = call('HGET', T .. 'jobs', id), call('HGET', T .. 'own', id)
  local record = call('HGET', T .. 'res:' .. sub(id, 7, 11), id)
  if kind(id) == 1 then call('HLEN', T .. 'run:' .. runOf(id)) end
  if own then call('SCARD', T .. 'revoked:' .. sub(own, 1, 8)) end
  if record then
    answer[i - 1] = sub(record, 1, 1)
  elseif not sound(v) then
    answer[i - 1] = '?'
  elseif byte(v, 6) >= DEAD then
    answer[i - 1] = 'F'
  else
    answer[i - 1] = 'C'
    live[#live + 1] = { id = id, own = own, place = i - 1 }
  end
end

for _, j in ipairs(live) do
  local id, v = j.id, call('HGET', T .. 'jobs', j.id)
  local run, number = kind(id) == 1 and T .. 'run:' .. runOf(id), sub(id, 12, 14)
  if not v then -- skipped meanwhile, as a dependent of one of these
    answer[j.place] = sub(call('HGET', T .. 'res:' .. sub(id, 7, 11), id) or '?', 1, 1)
  elseif j.own then
    local s = sub(j.own, 1, 8)
    call('SADD', T .. 'revoked:' .. s, id)
    call('PEXPIRE', T .. 'revoked:' .. s, ARGV[1])
    call(PUBLISH, T .. 'in:' .. s, 'C' .. id)
    freed[#freed + 1] = id
    finish(id, v, 'a', 'C', sub(j.own, 12, 17), s, '\0')
  elseif call('ZREM', T .. 'delayed', id .. sub(v, 7, 9) .. pendOf(v)) == 1 then
    finish(id, v, 's', 'C', NEVER, NOWHERE, '\0')
  elseif run and call('HDEL', run, 'p' .. number) == 1 then
    finish(id, v, 'b', 'C', NEVER, NOWHERE, '\0')
  else
    finish(id, v, 'r', 'C', NEVER, NOWHERE, '\0')
  end
  settle()
  flushEnds()
end
flushPushes()
ringPushed(false)
flushLetters()
flushCounts()
return { 'OK', table.concat(answer) }
