-- watch.lua: how jobs and runs ended; who asks for one that has not is told when
-- it does.
-- include: base bytes head fields
-- flags: allow-oom
--
-- KEYS[1]   prefix of the partition
-- ARGV[1]   inbox of who asks
-- ARGV[2..] IDs, at most 500
--
-- Returns for each ID a letter and what goes with it: S C K and the tail of the
-- record; F and the history; - not ended; ? unknown; + not looked at, since the
-- answer is long enough without it.
local MAXBYTES = 4194304
local out, waits, bytes = {}, {}, 0
local function wait(id)
  waits[#waits + 1] = id
  return '-'
end

-- tail(record): what follows the stored job and its history.
local function tail(r)
  if #r < 36 then return '' end -- it is damaged, and its reader will say so
  local at = 22 + num(sub(r, 23, 26))
  if has(byte(r, 27), HIST) then at = at + 4 + num(sub(r, at, at + 3)) end
  return sub(r, at)
end

for i = 2, #ARGV do
  local id, answer = ARGV[i], nil
  if bytes >= MAXBYTES then
    answer = '+'
  elseif kind(id) == 2 then
    local got = call('HMGET', T .. 'run:' .. id, 'state', 'f')
    if not got[1] or got[1] == '-' or got[1] == 'x' then
      answer = '?'
    elseif got[1] == 'a' or got[1] == 'r' then
      answer = wait(id)
    else
      answer = got[1] .. (got[2] or '\0')
    end
  else
    local r = call('HGET', T .. 'res:' .. sub(id, 7, 11), id)
    if r then
      answer = sub(r, 1, 1) .. tail(r)
    else
      local v = call('HGET', T .. 'jobs', id)
      local of = kind(id) == 1 and call('HGET', T .. 'run:' .. runOf(id), 'state')
      if not sound(v) or of == '-' or of == 'x' then
        answer = '?'
      elseif byte(v, 6) >= DEAD then
        answer = 'F' .. (call('HGET', T .. 'hist', id) or '')
      else
        answer = wait(id)
      end
    end
  end
  out[i - 1] = answer
  bytes = bytes + #answer
end

for _, id in ipairs(waits) do
  local hooks, told = call('HGET', T .. 'hooks', id) or '', false
  for i = 1, #hooks, 8 do told = told or sub(hooks, i, i + 7) == ARGV[1] end
  if not told then call('HSET', T .. 'hooks', id, hooks .. ARGV[1]) end
end
return out
