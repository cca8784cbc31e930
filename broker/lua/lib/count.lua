-- count: jobs by queue and state. Counts are gathered and written at the end,
-- beside the moves that they count; a damaged counter must not stop a move, so
-- errors are swallowed here and found by fsck.
--
-- States: b blocked, s scheduled, a running (active), S F C K as in records; P all
-- that was ever posted, D dead letters deleted. Ready are those of P that are in no
-- other state: that saves a write wherever a job becomes ready or is claimed.
local counts = {}
local function count(queue, state, n)
  local f = queue .. ':' .. state
  counts[f] = (counts[f] or 0) + n
end

local function flushCounts()
  for f, n in pairs(counts) do
    if n ~= 0 then pcall('HINCRBY', T .. 'cnt', f, int(n)) end
  end
end
