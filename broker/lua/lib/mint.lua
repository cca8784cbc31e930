-- mint: a map gets its children.
local INLINED = 1024 -- bytes of an element that goes into the job
local MINTED = 1048576 -- bytes that are read and written for the children of one step, unless one is larger

-- three(n): n as three bytes, as be does it for any width.
local function three(n) return char(floor(n / 65536), floor(n / 256) % 256, n % 256) end

-- elementOf(r, m, i): element i as a child's job has it; a large one stays where it is.
local function elementOf(r, m, i)
  if m.from > 0 then return 'n' .. three(m.from + i) end
  local c, k = floor(i / m.chunk), i % m.chunk
  if m.read ~= c then
    local id = nodeOf(r.R, m.number)
    m.read, m.items = c, call('HGET', T .. 'res:' .. sub(id, 7, 11), id .. be(c, 3)) or ''
    m.bytes = m.bytes + #m.items
  end
  local a, b, c1, d, e, f, g, h = byte(m.items, 4 * k + 1, 4 * k + 8)
  local from = h and ((a * 256 + b) * 256 + c1) * 256 + d or 0
  local to = h and ((e * 256 + f) * 256 + g) * 256 + h or 0
  if to <= from or to > #m.items or to - from > INLINED then return 'e' .. be(m.chunk, 3) end
  return 'm' .. sub(m.items, from + 1, to)
end

-- mint(r, number): children of a map begin, while there is room.
local function mint(r, number)
  local m = mapAt(r, number)
  if not m then return end
  m.lined = '-'
  mark(r, m)
  local id = nodeOf(r.R, number)
  local v = m.ended == '-' and call('HGET', T .. 'jobs', id)
  local pend = v and string.match(call('HGET', r.key, 'q' .. m.name) or '', '^[^:]+:.+:.$')
  if not pend or not sound(v) then return end
  local old = pendOf(v)
  local head, rest = char(byte(v, 6) % SUSPECT) .. EPOCH0 .. '\0\0\0\0' .. sub(v, 14, 15) .. pend, sub(v, 16 + #old)
  local looked, before, behind = 0, sub(id, 1, 11), sub(id, 15, 16)
  m.bytes = 0 -- that were read or written so far
  while r.w < WINDOW and m.live < m.parallel and m.next < m.width and looked < EDGES and m.bytes < MINTED do
    local i = m.next
    local child, begun = before .. three(m.base + i) .. behind, true
    m.next, looked = i + 1, looked + 1
    if i >= m.born then
      local e = three(i) .. elementOf(r, m, i)
      m.bytes = m.bytes + #head + #rest + #e
      changed[#changed + 1] = child
      changed[#changed + 1] = '\1' .. be(5 + #head + #rest + #e, 4) .. head .. rest .. e
      count(queueOf(pend), 'P', 1)
      push(pend, child)
      m.born = i + 1
    elseif call('HDEL', r.key, 'p' .. be(m.base + i, 3)) == 1 then -- the run was resumed
      count(queueOf(pend), 'b', -1)
      local was = call('HGET', T .. 'jobs', child) or ''
      m.bytes = m.bytes + #was
      push(pend, entry(child, sub(was, 7, 9)))
    else
      begun = false
    end
    if begun then
      say(r, 'r', sub(child, 12, 14))
      set(r, 'w', r.w + 1)
      m.live = m.live + 1
    end
  end
  if m.next < m.width and m.live < m.parallel then
    m.lined = '+'
    pcall('RPUSH', T .. 'line:' .. r.R, number .. m.name .. '+')
    set(r, 'l', r.l + 1)
  end
end
