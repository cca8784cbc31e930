-- base: what every script has. T is the key prefix of the partition; all keys
-- begin with it and share its hash tag. Times are ms since 1970 on Redis' clock.
local T = KEYS[1]
local call, pcall, sub, byte, char, floor = redis.call, redis.pcall, string.sub, string.byte, string.char, math.floor

-- PAUSED: among the names in live:<queue> while that queue is paused, before all others.
local PAUSED = '!'

-- ROOM: how many values a command takes at most; unpack has room for some 8,000.
local ROOM = 4000
