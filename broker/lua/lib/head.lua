-- head: the fixed header of a stored job, all that scripts read of it.
--
--   1      version, 1          10-11  failed attempts
--   2-5    length of all       12     sessions lost with it
--   6      flags               13     of those, lost while it ran alone
--   7-9    epoch               14-15  length of the pend name, which follows:
--                                     queue:route:lane
-- then, by flag, the poster's inbox (8), the unique key (2 + n), the digest of
-- the idempotency key (16); then the envelope, which only Go reads.
local INBOX, UNIQUE, IDEM, HIST, DEAD = 1, 2, 4, 32, 64
local EPOCH0 = '\0\0\0'

local function has(flags, f) return floor(flags / f) % 2 == 1 end

-- sound(v): v is a job as the broker writes it, not a damaged value.
local function sound(v)
  if not v or #v < 15 then return false end
  local ver, a, b, c, d = byte(v, 1, 5)
  local h, l = byte(v, 14, 15)
  return ver == 1 and ((a * 256 + b) * 256 + c) * 256 + d == #v and 15 + h * 256 + l <= #v
end

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

-- extras(v): inbox, unique key, idempotency digest; nil where v has none.
local function extras(v)
  local h, l = byte(v, 14, 15)
  local at, f = 16 + h * 256 + l, byte(v, 6)
  local inbox, unique, idem
  if has(f, INBOX) then inbox, at = sub(v, at, at + 7), at + 8 end
  if has(f, UNIQUE) then
    local n = num(sub(v, at, at + 1))
    unique, at = sub(v, at + 2, at + 1 + n), at + 2 + n
  end
  if has(f, IDEM) then idem = sub(v, at, at + 15) end
  return inbox, unique, idem
end

-- kind(id): 0 lone, 1 node, 2 run, 3 derived. runOf(id): the run of a node.
local function kind(id) return floor(byte(id, 8) / 64) end
local function runOf(id)
  return sub(id, 1, 7) .. char(byte(id, 8) % 64 + 128) .. sub(id, 9, 11) .. '\0\0\0' .. sub(id, 15, 16)
end
