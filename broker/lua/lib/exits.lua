-- exits: jobs that are posted when a run has ended. xs is how many the run has; of each,
-- x<number> has the length of its pend name (2), that, and the stored job. xe is the ID
-- of the first one that was posted.
local MAXEXITS = 16

-- postExits(r, n): they are jobs of their own. Their IDs are the run's, but for the time,
-- the kind, and the number, which tells the ends of a run that is resumed apart.
local function postExits(r, n)
  local R, number = r.R, (tonumber(r.again or 0) * MAXEXITS) % 16777216
  local head = time6 .. sub(R, 7, 7) .. char(byte(R, 8) % 64 + 192) .. sub(R, 9, 11)
  for i = 0, math.min(n, MAXEXITS) - 1 do
    local e = call('HGET', r.key, 'x' .. char(i)) or ''
    local pend = sub(e, 3, 2 + num(sub(e, 1, 2)))
    local id, v = head .. be(number + i, 3) .. sub(R, 15, 16), sub(e, 3 + #pend)
    if sound(v) then
      call('HSET', T .. 'jobs', id, v)
      count(queueOf(pend), 'P', 1)
      push(pend, id)
    end
  end
  set(r, 'xe', head .. be(number, 3) .. sub(R, 15, 16))
end
