-- run: a run as a script sees it: read once, written once by settle().
--
-- run:<R> is a hash: n nodes, S F C K ended so, w released and not ended (they are in
-- lists, delayed or running), l how many wait in line:<R> for a place among those;
-- state, begun, end, name, nonce; f the tail of the first failure, d that of a deadline
-- that has passed; stop once nothing new may start: F after a failure, C cancelled;
-- keep: a failure does not stop it; paused: nothing new starts, for now, and y has who
-- was to, see lib/park.lua; e: how many events there were, if it is watched; again, turn,
-- rn, rc see lib/revive.lua. Of a node: p<node> what it waits for, o<node>, a<node>,
-- t<node> if all its children take its failure, k<node><chunk> its children, see
-- lib/follow.lua; q<byte> the pend names; xs, xe, x<number> see lib/exits.lua; top, nodes, halted, m<node>, b<block>, g<node>
-- see lib/kin.lua.
local FIELDS = { 'S', 'F', 'C', 'K', 'n', 'w', 'l', 'stop', 'keep', 'state', 'again', 'turn', 'top', 'nodes', 'paused', 'e' }
local runs, touched = {}, {}
local kin, maps -- the functions for maps, and what makes them once a run has one

-- bucketOf(R): where the records of a run's nodes lie.
local function bucketOf(R) return sub(R, 7, 7) .. char(byte(R, 8) % 64 + 64) .. sub(R, 9, 11) end

-- runAt(R): a run that has not ended; false if it has, is gone or damaged. Its nodes
-- then end without it, and fsck tells of it.
-- (The inner parentheses make one value of none: the embedded server's match gives
-- nothing where Redis' gives nil.)
local function runAt(R)
  local r = runs[R]
  if r ~= nil then return r end
  local key = T .. 'run:' .. R
  local got = pcall('HMGET', key, unpack(FIELDS))
  r = { R = R, key = key, stop = got[8], keep = got[9], resuming = got[10] == 'r', again = got[11],
    turn = (tonumber(got[12] or 0) or 0) % 16777216, paused = got[15], e = tonumber(got[16] or ''), dirty = {} }
  for i = 1, 7 do r[FIELDS[i]] = tonumber((string.match(got[i] or (i ~= 5 and '0' or ''), '^%d+$'))) end
  if not (r.S and r.F and r.C and r.K and r.n and r.w and r.l) or got[10] ~= 'a' and got[10] ~= 'r' or
    type(pcall('HLEN', T .. 'res:' .. bucketOf(R))) ~= 'number' then r = false end
  if r and got[13] then
    r.top, r.nodes = tonumber(got[13]), tonumber(got[14] or 0) or 0
    maps()
  end
  runs[R] = r
  return r
end

local function set(r, field, value)
  if not next(r.dirty) then touched[#touched + 1] = r end
  r[field], r.dirty[field] = value, true
end

-- say(r, letter, number): an event of a run that is watched: what a node is from now on, a
-- state's letter, r ready, w waiting for its time, m a map with children; or the run
-- itself, without a number. Those of one script are one entry of events:<R>, whose ID is the
-- number of the last of them, which is e.
local RUN, MAXEVENTS = '\255\255\255', '10000'
local function say(r, letter, number)
  if not r or not r.e then return end
  set(r, 'e', r.e + 1)
  r.said = r.said or {}
  r.said[#r.said + 1] = letter .. (number or RUN)
end

local function flushEvents(r)
  if not r.said then return end
  pcall('XADD', T .. 'events:' .. r.R, 'MAXLEN', '~', MAXEVENTS, int(r.e) .. '-0', 't', int(now()), 's', table.concat(r.said))
  r.said = nil
end

-- flushRuns(): writes what has changed of runs.
local function flushRuns()
  for _, r in ipairs(touched) do
    local args = {}
    for f in pairs(r.dirty) do
      args[#args + 1] = f
      args[#args + 1] = type(r[f]) == 'number' and int(r[f]) or r[f]
    end
    call('HSET', r.key, unpack(args))
    r.dirty = {}
    if r.aside then call('HSET', r.key, 'y', (call('HGET', r.key, 'y') or '') .. table.concat(r.aside)) end
    r.aside = nil
    flushEvents(r)
    if r.top then kin.flushMaps(r) end
  end
  touched = {}
end
