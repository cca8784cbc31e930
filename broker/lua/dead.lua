-- dead.lua: dead letters in the order in which they have died. Reads only.
-- include: base bytes head fields
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  1: the newest first
-- ARGV[2]  after which to begin: when it has died, ms; '' for the first
-- ARGV[3]  and its ID
-- ARGV[4]  queue, '' for all
-- ARGV[5]  function, '' for all
-- ARGV[6]  how many at most
--
-- Returns {'OK', 1 if there are no more, when the last one died that was looked at, its
-- ID, and of those that match in turn when it died, ID, epoch (3)}. It may be none, for few
-- are looked at.
local LOOK = 500
local MAXBYTES = 4194304
local newest, want = ARGV[1] == '1', tonumber(ARGV[6])
local n = call('ZCARD', T .. 'dead')

-- order(a, b): below 0 if a is before b, whatever the locale is.
local function order(a, b)
  for i = 1, math.min(#a, #b) do
    if byte(a, i) ~= byte(b, i) then return byte(a, i) - byte(b, i) end
  end
  return #a - #b
end

-- rank(score, id): how many are before that place.
local function rank(score, id)
  local from, to = 0, n
  while from < to do
    local mid = floor((from + to) / 2)
    local e = call('ZRANGE', T .. 'dead', mid, mid, 'WITHSCORES')
    local c = tonumber(e[2]) - score
    if c == 0 then c = order(e[1], id) end
    if c < 0 or c == 0 and not newest then from = mid + 1 else to = mid end
  end
  return from
end

local function matches(v)
  local queue, route = string.match(pendOf(v), '^([^:]*):(.*):.$')
  if ARGV[4] ~= '' and queue ~= ARGV[4] then return false end
  return ARGV[5] == '' or string.find('+' .. (route or '') .. '+', '+' .. ARGV[5] .. '+', 1, true) ~= nil
end

local first = ARGV[2] ~= '' and rank(tonumber(ARGV[2]), ARGV[3]) or newest and n or 0
local look = ARGV[4] == '' and ARGV[5] == '' and math.min(want, LOOK) or LOOK
local from = newest and math.max(first - look, 0) or first
local to = newest and first or math.min(first + look, n)
local got, out, bytes = {}, {}, 0
if from < to then got = call('ZRANGE', T .. 'dead', from, to - 1, 'WITHSCORES') end
local looked = 0
while looked < #got / 2 and #out < 3 * want and bytes < MAXBYTES do
  local at = newest and #got - 1 - 2 * looked or 2 * looked + 1
  local v = call('HGET', T .. 'jobs', got[at])
  looked = looked + 1
  bytes = bytes + #(v or '')
  if not sound(v) or matches(v) then -- one that is damaged must be seen
    local k = #out
    out[k + 1], out[k + 2], out[k + 3] = got[at + 1], got[at], sound(v) and sub(v, 7, 9) or ''
  end
end
local at = newest and #got + 1 - 2 * looked or 2 * looked - 1
local over = newest and first - looked <= 0 or not newest and first + looked >= n
return { 'OK', over and 1 or 0, got[at + 1] or '', got[at] or '', out }
