-- base: what every script has. T is the key prefix of the partition; all keys
-- begin with it and share its hash tag. Times are ms since 1970 on Redis' clock.
local T = KEYS[1]
local call, sub, byte, char, floor = redis.call, string.sub, string.byte, string.char, math.floor

-- int: an integer as text. Redis turns numbers into text as floating point does,
-- which takes it a microsecond each.
local format = string.format
local function int(n) return format('%d', n) end

-- ROOM: how many values a command takes at most; unpack has room for some 8,000.
local ROOM = 4000

-- be(n, w): n as w big-endian bytes. num(s): back again.
local function be(n, w)
  local b = {}
  for i = w, 1, -1 do
    b[i] = char(n % 256)
    n = floor(n / 256)
  end
  return table.concat(b)
end

local function num(s)
  local n = 0
  for i = 1, #s do n = n * 256 + byte(s, i) end
  return n
end
