-- read.lua: all that is kept of jobs. Reads only.
-- include: base bytes head fields
--
-- KEYS[1]   prefix of the partition
-- ARGV[1..] IDs, at most 100
--
-- Returns for each ID {'R', record}, {'?'}, or {'J', stored job, owner, time it
-- died, due time, parents it waits for, note, history}, each '' where there is none;
-- {'+'} for one that was not looked at, since the answer is long enough without it.
local MAXBYTES = 4194304
local out, bytes = {}, 0
for i, id in ipairs(ARGV) do
  local full = bytes >= MAXBYTES
  local r = not full and call('HGET', T .. 'res:' .. sub(id, 7, 11), id)
  local v = not full and not r and call('HGET', T .. 'jobs', id)
  bytes = bytes + #(r or v or '')
  if full then
    out[i] = { '+' }
  elseif r then
    out[i] = { 'R', r }
  elseif not sound(v) then
    out[i] = { '?' }
  else
    local waits = kind(id) == 1 and call('HGET', T .. 'run:' .. runOf(id), 'p' .. sub(id, 12, 14))
    out[i] = { 'J', v, call('HGET', T .. 'own', id) or '', call('ZSCORE', T .. 'dead', id) or '',
      call('ZSCORE', T .. 'delayed', id .. sub(v, 7, 9) .. pendOf(v)) or '', waits or '',
      call('HGET', T .. 'notes', id) or '', call('HGET', T .. 'hist', id) or '' }
  end
end
return out
