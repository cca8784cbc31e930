-- remove.lua: dead letters are deleted.
-- include: base bytes head fields count guard forget
-- flags: allow-oom
--
-- KEYS[1]   prefix of the partition
-- ARGV[1..] ID of dead letters, at most 128, each with its epoch (3) if that matters
--
-- Returns {'OK', a letter for each}: D it is gone, now or before; L it is no dead letter of
-- that epoch any more; W it is a node of a run that goes on. Then nothing of it was changed.
guard()
call('HLEN', T .. 'jobs')
local answers = {}
for i, a in ipairs(ARGV) do
  local id = sub(a, 1, 16)
  local v = call('HGET', T .. 'jobs', id)
  if sound(v) and (byte(v, 6) < DEAD or #a > 16 and sub(v, 7, 9) ~= sub(a, 17)) then
    answers[i] = 'L'
  elseif needed(id) then
    answers[i] = 'W'
  else
    answers[i] = 'D'
    if call('ZSCORE', T .. 'dead', id) then forget(id, v) end
  end
end
flushCounts()
return { 'OK', table.concat(answers) }
