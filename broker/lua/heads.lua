-- heads.lua: since when jobs of queues are waiting, as the heads of their lists tell. Reads
-- only.
-- include: base bytes head
--
-- KEYS[1]   prefix of the partition
-- ARGV[1..] queues, at most 32
--
-- Returns {'OK', when}: for each queue when the oldest ready job was posted, ms; 0 if that
-- is not known. The IDs of jobs that jobs have posted do not say it.
local LISTS, LOOK = 64, 8
local out = {}

-- head(pend): when the first job of a list was posted. Entries that are not valid any more
-- may come before it.
local function head(pend)
  for _, e in ipairs(call('LRANGE', T .. 'pend:' .. pend, 0, LOOK - 1)) do
    local id = sub(e, 1, 16)
    local waits = #id == 16 and kind(id) ~= 3 and call('HEXISTS', T .. 'own', id) == 0
    if waits and call('HEXISTS', T .. 'jobs', id) == 1 then return num(sub(id, 1, 6)) end
  end
end

for i, queue in ipairs(ARGV) do
  local lists = call('SMEMBERS', T .. 'live:' .. queue)
  out[i] = 0
  for k = 1, math.min(#lists, LISTS) do
    local ms = lists[k] ~= PAUSED and head(queue .. ':' .. lists[k])
    if ms and (out[i] == 0 or ms < out[i]) then out[i] = ms end
  end
end
return { 'OK', out }
