-- post.lua: nothing -> ready. Jobs enter that nobody has seen: their IDs are new,
-- and they have neither keys nor a delay. This is the shortest way in, and every
-- command and function on it is felt by who posts alone; all else is for admit.lua.
-- include: base send bell ring
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  poster
-- ARGV[2]  number of this post, from 1; the same again changes nothing
-- ARGV[3]  names of sessions that the caller hears for
-- ARGV[4]  how many lists; then for each:
--   pend name, how many jobs; for each: ID, stored job
--
-- Returns {'OK', mail}: messages for names of ARGV[3], each after its name, if any.
-- {'STALE'}: an older number; nothing was changed. There are no
-- looks before the writes, as elsewhere: if a write fails, those before it are undone.
local RINGS = 64 -- in a longer list the bell has been rung often enough
local mine, number, lists = T .. 'post:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local last = call('SET', mine, ARGV[2], 'PX', '600000', 'GET')
local n = last and tonumber(last) or 0
if n == number then return { 'OK' } end
if n > number then
  call('SET', mine, last, 'PX', '600000')
  return { 'STALE' }
end

-- enter(at): the list at ARGV[at] gets its jobs. It returns how many it has then, and
-- an error, if there is one, after how many of its steps.
local function enter(at)
  local pend, n = ARGV[at], tonumber(ARGV[at + 1])
  local ids = { ARGV[at + 2] }
  for i = 2, n do ids[i] = ARGV[at + 2 * i] end
  local len = pcall('RPUSH', T .. 'pend:' .. pend, unpack(ids))
  if type(len) == 'table' then return 0, len, 0 end
  local r = pcall('HSET', T .. 'jobs', unpack(ARGV, at + 2, at + 1 + 2 * n))
  if type(r) == 'table' then return len, r, 1 end
  if len == n then -- it was empty
    local queue, rest = string.match(pend, '^([^:]*):(.*)$')
    r = pcall('SADD', T .. 'live:' .. queue, rest)
    if r == 1 then r = pcall('SADD', T .. 'queues', queue) end
    if type(r) == 'table' then return len, r, 2 end
  end
  return len
end

local at, lens, err, steps = 5, {}, nil, nil
for l = 1, lists do
  lens[l], err, steps = enter(at)
  if err then break end
  at = at + 2 + 2 * tonumber(ARGV[at + 1])
end
if err then
  local a = 5
  for l = 1, #lens do
    local pend, n, done = ARGV[a], tonumber(ARGV[a + 1]), a == at and steps or 3
    if done > 0 then call('RPOP', T .. 'pend:' .. pend, n) end
    for i = 1, done > 1 and n or 0 do call('HDEL', T .. 'jobs', ARGV[a + 2 * i]) end
    if done > 1 and lens[l] == n then
      pcall('SREM', T .. 'live:' .. string.match(pend, '^[^:]*'), string.match(pend, ':(.*)$'))
    end
    a = a + 2 + 2 * n
  end
  if last then call('SET', mine, last, 'PX', '600000') else call('DEL', mine) end
  return err
end
at, home = 5, ARGV[3]
for l = 1, lists do
  local pend, n = ARGV[at], ARGV[at + 1]
  pcall('HINCRBY', T .. 'cnt', string.match(pend, '^[^:]*') .. ':P', n)
  if lens[l] - n < RINGS then ring(pend) end
  at = at + 2 + 2 * n
end
return { 'OK', #mail > 0 and mail or nil }
