-- head: the fixed header of a stored job, all that scripts read of it.
--
--   1      version, 1          10-11  failed attempts
--   2-5    length of all       12     sessions lost with it
--   6      flags               13     of those, lost while it ran alone
--   7-9    epoch               14-15  length of the pend name, which follows:
--                                     queue:route:lane
-- then, by flag, the poster's inbox (8), the unique key (2 + n), the digest of
-- the idempotency key (16); then the envelope, which only Go reads.
local INBOX, UNIQUE, IDEM, SUSPECT, HIST, DEAD = 1, 2, 4, 8, 32, 64
local EPOCH0 = '\0\0\0'

local function pendOf(v)
  local h, l = byte(v, 14, 15)
  return sub(v, 16, 15 + h * 256 + l)
end

local queues = {}
local function queueOf(pend)
  local q = queues[pend]
  if not q then
    q = string.match(pend, '^[^:]*')
    queues[pend] = q
  end
  return q
end

-- kind(id): 0 lone, 1 node, 2 run, 3 derived.
local function kind(id) return floor(byte(id, 8) / 64) end
