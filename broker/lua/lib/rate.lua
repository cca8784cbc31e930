-- rate: how many jobs have ended in each minute and hour. It only informs, so that a damaged
-- key stops nothing.
--
-- rate:<queue> has for each of the last 60 minutes, m<i>, and 168 hours, h<i>, which one
-- that is, and how many S F C K have ended in it; and in last, how many of each there
-- were altogether when it was last written. Dead letters are those there are and those that
-- were deleted.
local RATED = 500 -- queues: of more, some have no history

local function four(s, from)
  local a, b, c, d = string.match(type(s) == 'string' and s or '', '(%d+) (%d+) (%d+) (%d+)$', from)
  return { tonumber(a or 0), tonumber(b or 0), tonumber(c or 0), tonumber(d or 0) }
end

-- rateQueue(queue, now, minute): now is how many of each there are.
local function rateQueue(queue, now, minute)
  local key, hour, text = T .. 'rate:' .. queue, floor(minute / 60), table.concat(now, ' ')
  local m, h = 'm' .. int(minute % 60), 'h' .. int(hour % 168)
  local got = pcall('HMGET', key, 'last', m, h)
  if got.err or got[1] == text then return end
  local last, some = four(got[1], 1), {}
  for i, at in ipairs({ minute, hour }) do
    local old = got[i + 1] and string.match(got[i + 1], '^(%d+) ')
    local sum = old == int(at) and four(got[i + 1], #old + 2) or four('', 1)
    for k = 1, 4 do sum[k] = sum[k] + math.max(now[k] - last[k], 0) end -- less: some were resumed
    some[i] = int(at) .. ' ' .. table.concat(sum, ' ')
  end
  pcall('HSET', key, 'last', text, m, some[1], h, some[2])
end

-- rate(minute): what has ended since the last time is noted as of that minute.
local function rate(minute)
  local ends, n = {}, 0
  local cnt = pcall('HGETALL', T .. 'cnt')
  for i = 1, #cnt, 2 do
    local queue, letter = string.match(cnt[i], '^([^:]+):([SFDCK])$')
    if queue and not ends[queue] and n < RATED then ends[queue], n = { 0, 0, 0, 0 }, n + 1 end
    local e, k = ends[queue or ''], string.find('SFCK', letter == 'D' and 'F' or letter or '-', 1, true)
    if e and k then e[k] = e[k] + math.max(tonumber(cnt[i + 1]) or 0, 0) end
  end
  for queue, e in pairs(ends) do rateQueue(queue, e, minute) end
end
