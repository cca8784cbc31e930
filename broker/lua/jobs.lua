-- jobs.lua: live jobs in a state, some at a time. Reads only.
-- include: base bytes head fields
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  cursor, 0 to begin
-- ARGV[2]  about how many are looked at
-- ARGV[3]  state: b blocked, s scheduled, r ready, a running
-- ARGV[4]  queue, '' for all
--
-- Returns {'OK', the next cursor, 0 at the end, the IDs of those in that state}.
local got = call('HSCAN', T .. 'jobs', ARGV[1], 'COUNT', ARGV[2])
local out = {}

-- stateOf(id, v): in which state a job is; nothing if it is dead, or not seen yet.
local function stateOf(id, v)
  if not sound(v) or byte(v, 6) >= DEAD then return nil end
  if call('HEXISTS', T .. 'own', id) == 1 then return 'a' end
  if call('ZSCORE', T .. 'delayed', id .. sub(v, 7, 9) .. pendOf(v)) then return 's' end
  local run = kind(id) == 1 and call('HMGET', T .. 'run:' .. runOf(id), 'state', 'p' .. sub(id, 12, 14)) or {}
  if run[1] == '-' or run[1] == 'x' then return nil end
  return run[2] and 'b' or 'r'
end

for i = 1, #got[2], 2 do
  local id, v = got[2][i], got[2][i + 1]
  if #id == 16 and stateOf(id, v) == ARGV[3] and (ARGV[4] == '' or queueOf(pendOf(v)) == ARGV[4]) then out[#out + 1] = id end
end
return { 'OK', got[1], out }
