-- bytes: numbers as text and as bytes.

-- int: an integer as text. Redis turns numbers into text as floating point does,
-- which takes it a microsecond each.
local format = string.format
local function int(n) return format('%d', n) end

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
