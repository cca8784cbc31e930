-- halt(id, v, never): ends a job that has not ended, wherever it is: who runs it is
-- told now, and again by its beats, and its reports are not believed any more, but what
-- it has said of itself is kept. never is the state of one that has not begun: C
-- cancelled or K skipped.
local REMIND = '600000' -- ms: several beats of any lease that makes sense
local function halt(id, v, never)
  local own = call('HGET', T .. 'own', id)
  if own then
    local s, attempt = sub(own, 1, 8), id .. sub(own, 9, 11)
    call('SADD', T .. 'revoked:' .. s, attempt)
    call('PEXPIRE', T .. 'revoked:' .. s, REMIND)
    call(PUBLISH, T .. 'in:' .. s, 'C' .. attempt)
    freed[#freed + 1] = id
    local note, tail = any and call('HGET', T .. 'notes', id), '\0'
    if note and sub(note, 1, 3) == sub(own, 9, 11) then tail = '\128' .. be(#note - 3, 4) .. sub(note, 4) end
    finish(id, v, 'a', 'C', sub(own, 12, 17), s, tail)
  elseif call('ZREM', T .. 'delayed', id .. sub(v, 7, 9) .. pendOf(v)) == 1 then
    finish(id, v, 's', 'C', NEVER, NOWHERE, '\0')
  elseif kind(id) == 1 and call('HDEL', T .. 'run:' .. runOf(id), 'p' .. sub(id, 12, 14)) == 1 then
    finish(id, v, 'b', never, NEVER, NOWHERE, '\0')
  else
    finish(id, v, 'r', never, NEVER, NOWHERE, '\0')
  end
end
