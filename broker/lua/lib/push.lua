-- push: ready jobs enter their lists. An entry is the bare ID at epoch 0 and
-- ID and epoch after; an entry whose epoch is not the job's is inert.
local pushes, order = {}, {}

local function entry(id, epoch)
  if epoch == EPOCH0 then return id end
  return id .. epoch
end

-- push(pend, entry, where): to the end of the list; with first to its head; with later
-- there too, but of several of one script the first one first: later stages of a run.
local function push(pend, e, where)
  local p = pushes[pend]
  if not p then
    p = { head = {}, later = {}, tail = {} }
    pushes[pend] = p
    order[#order + 1] = pend
  end
  local l = where == 'first' and p.head or where == 'later' and p.later or p.tail
  l[#l + 1] = e
end

-- flushPushes(): writes what was pushed and marks the lists as not empty. Other
-- lists must not wait for one that is damaged: errors are swallowed here, and a job
-- that is in no list is found by fsck.
local function flushPushes()
  for pend, p in pairs(pushes) do
    local key = T .. 'pend:' .. pend
    if #p.tail > 0 then pcall('RPUSH', key, unpack(p.tail)) end
    for i = #p.later, 1, -1 do p.head[#p.head + 1] = p.later[i] end
    if #p.head > 0 then pcall('LPUSH', key, unpack(p.head)) end
    local queue = queueOf(pend)
    if pcall('SADD', T .. 'live:' .. queue, sub(pend, #queue + 2)) == 1 then
      pcall('SADD', T .. 'queues', queue)
    end
  end
  pushes = {}
end

-- ringPushed(claimed): wakes one session for each list that was pushed to; that
-- one passes the bell on if there is more. After claims, lists may be empty again.
local function ringPushed(claimed)
  for _, pend in ipairs(order) do
    if not claimed or pcall('LLEN', T .. 'pend:' .. pend) ~= 0 then ring(pend) end
  end
end
