-- ends: what a script writes when jobs end is gathered, and written by flushEnds(),
-- so that one command serves all.
local time, time6 -- set by begin()
local any         -- whether there are hooks, notes, checkpoints, waits or continuations at all
local logs        -- whether a job that has not ended has logged something
local records, buckets, ended, freed, changed, worklist, over, heard = {}, {}, {}, {}, {}, {}, {}, {}

local function begin()
  time = now()
  time6 = be(time, 6)
  local n = call('EXISTS', T .. 'hooks', T .. 'notes', T .. 'saved', T .. 'waits', T .. 'cont', T .. 'logs')
  logs = n > 0 and call('HLEN', T .. 'logs') > 0
  any = n > (logs and 1 or 0)
end

-- recordsOf(b): what is to be written to bucket b, IDs and records in turn.
local function recordsOf(b)
  local r = records[b]
  if not r then
    r = {}
    records[b] = r
    buckets[#buckets + 1] = b
  end
  return r
end

-- plain(pend, n): n jobs of a list went from running to succeeded.
local function plain(pend, n)
  count(queueOf(pend), 'a', -n)
  count(queueOf(pend), 'S', n)
end

-- endLogs(): what ended jobs have logged expires a retention after their end.
local function endLogs()
  local has, gone = call('HMGET', T .. 'logs', unpack(ended)), {}
  for i, id in ipairs(ended) do
    local class = byte(id, 7) % 16
    if has[i] then gone[#gone + 1] = id end
    if has[i] and class > 0 then call('PEXPIRE', T .. 'log:' .. id, KEEP[class]) end
  end
  if #gone > 0 then call('HDEL', T .. 'logs', unpack(gone)) end
end

-- flushEnds(): writes what finish has gathered. Records of one bucket expire
-- together, a retention after the last of them; those of a run after it has ended,
-- when over names their bucket.
local function flushEnds()
  for _, b in ipairs(buckets) do
    local key, class = T .. 'res:' .. b, byte(b, 1) % 16
    if #records[b] > 0 then
      call('HSET', key, unpack(records[b]))
      if class > 0 and floor(byte(b, 2) / 64) ~= 1 then call('PEXPIRE', key, KEEP[class]) end
    end
  end
  if #ended > 0 then
    call('HDEL', T .. 'jobs', unpack(ended))
    if any then call('HDEL', T .. 'saved', unpack(ended)) end
    if logs then endLogs() end
  end
  if #freed > 0 then
    call('HDEL', T .. 'own', unpack(freed))
    if any then call('HDEL', T .. 'waits', unpack(freed)) end
  end
  for i = 1, #changed, ROOM do call('HSET', T .. 'jobs', unpack(changed, i, math.min(i + ROOM - 1, #changed))) end
  if #heard > 0 then call('HDEL', T .. 'hooks', unpack(heard)) end
  for _, b in ipairs(over) do call('PEXPIRE', T .. 'res:' .. b, KEEP[byte(b, 1) % 16]) end
  records, buckets, ended, freed, changed, over, heard = {}, {}, {}, {}, {}, {}, {}
end
