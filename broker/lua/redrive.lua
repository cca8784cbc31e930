-- redrive.lua: failed -> ready. Dead letters are jobs again, under a new epoch and with all
-- their attempts; what is kept of those that they have had stays.
-- include: base bytes head fields count send bell ring push guard
--
-- KEYS[1]   prefix of the partition
-- ARGV[1..] ID and epoch (3) of dead letters, at most 128, none of a node: its run is resumed
--
-- Returns {'OK', answers}: for each a letter and an ID: R its epoch has passed, now or
-- before; U that job holds its unique key; L it is no dead letter; ? unknown. Then nothing
-- of it was changed.
guard()
call('HLEN', T .. 'jobs')
local answers, found = {}, {}
for i, a in ipairs(ARGV) do
  local id, epoch = sub(a, 1, 16), num(sub(a, 17, 19))
  local v = call('HGET', T .. 'jobs', id)
  if not sound(v) then
    answers[i] = (call('HEXISTS', T .. 'res:' .. sub(id, 7, 11), id) == 1 and 'R' or '?') .. id
  elseif num(sub(v, 7, 9)) > epoch then
    answers[i] = 'R' .. id
  elseif byte(v, 6) < DEAD then
    answers[i] = 'L' .. id
  else
    call('LLEN', T .. 'pend:' .. pendOf(v))
    call('SCARD', T .. 'live:' .. queueOf(pendOf(v)))
    found[#found + 1] = { place = i, id = id, v = v }
  end
end

-- listOf(id, v): where it waits: not as a suspect, if it was one.
local function listOf(id, v)
  local pend, prio = pendOf(v), floor(byte(v, 6) / SUSPECT) % 4
  if sub(pend, -1) ~= 'x' then return pend end
  local lane = prio > 0 and sub('lnh', prio, prio) or 'n'
  return sub(pend, 1, -2) .. (kind(id) == 3 and string.upper(lane) or lane)
end

for _, j in ipairs(found) do
  local id, v = j.id, j.v
  local _, unique = extras(v)
  local holder = unique and call('HGET', T .. 'unique', unique)
  if holder and holder ~= id and call('HEXISTS', T .. 'jobs', holder) == 1 then
    answers[j.place] = 'U' .. holder
  else
    answers[j.place] = 'R' .. id
    local pend, f = listOf(id, v), byte(v, 6) % SUSPECT + (has(byte(v, 6), HIST) and HIST or 0)
    local epoch = be(num(sub(v, 7, 9)) + 1, 3)
    call('HSET', T .. 'jobs', id, sub(v, 1, 5) .. char(f) .. epoch .. '\0\0\0\0' .. sub(v, 14, 15) .. pend .. sub(v, 16 + #pend))
    call('ZREM', T .. 'dead', id)
    call('HDEL', T .. 'notes', id)
    if unique then call('HSET', T .. 'unique', unique, id) end
    count(queueOf(pend), 'F', -1)
    push(pend, entry(id, epoch))
  end
end
flushPushes()
ringPushed(false)
flushCounts()
return { 'OK', table.concat(answers) }
