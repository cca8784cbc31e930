-- fields: more of a stored job and of an ID, for the scripts that need it.
local function has(flags, f) return floor(flags / f) % 2 == 1 end

-- sound(v): v is a job as the broker writes it, not a damaged value.
local function sound(v)
  if not v or #v < 15 then return false end
  local ver, a, b, c, d = byte(v, 1, 5)
  local h, l = byte(v, 14, 15)
  return ver == 1 and ((a * 256 + b) * 256 + c) * 256 + d == #v and 15 + h * 256 + l <= #v
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

-- nodeOf(R, number): a node of a run.
local function nodeOf(R, number)
  return sub(R, 1, 7) .. char(byte(R, 8) % 64 + 64) .. sub(R, 9, 11) .. number .. sub(R, 15, 16)
end

-- runOf(id): the run of a node.
local function runOf(id)
  return sub(id, 1, 7) .. char(byte(id, 8) % 64 + 128) .. sub(id, 9, 11) .. '\0\0\0' .. sub(id, 15, 16)
end
