-- log.lua: lines that an attempt has logged. They are kept while the job lives, and then
-- for its retention. log:<ID> has the lines by number, and n the last number, f the first
-- that is kept, b bytes of lines, w who wrote last, and how many lines it has written.
-- include: base bytes
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  ID
-- ARGV[2]  session and epoch of who writes
-- ARGV[3]  how many lines it has written before
-- ARGV[4]  how many lines are kept
-- ARGV[5]  how many bytes of lines are kept
-- ARGV[6..] the lines, as Go encodes them
--
-- Returns {'OK'}, or {'GONE'}: there is no such job; nothing was changed.
local id, key = ARGV[1], T .. 'log:' .. ARGV[1]
local live = call('HEXISTS', T .. 'jobs', id) == 1
if not live and call('HEXISTS', T .. 'res:' .. sub(id, 7, 11), id) == 0 then return { 'GONE' } end
call('HLEN', T .. 'logs')
local n, first, bytes, by = unpack(call('HMGET', key, 'n', 'f', 'b', 'w'))
n, first, bytes, by = tonumber(n or 0) or 0, tonumber(first or 1) or 1, tonumber(bytes or 0) or 0, by or ''
local before = tonumber(ARGV[3])
local came = 0 -- lines that have come already, though the answer was lost
if sub(by, 1, 11) == ARGV[2] then came = math.max(0, (tonumber(sub(by, 12)) or 0) - before) end
for a = 6 + came, #ARGV do
  n = n + 1
  bytes = bytes + #ARGV[a]
  call('HSET', key, int(n), ARGV[a])
end
while first < n and (n - first >= tonumber(ARGV[4]) or bytes > tonumber(ARGV[5])) do
  bytes = bytes - #(call('HGET', key, int(first)) or '')
  call('HDEL', key, int(first))
  first = first + 1
end
call('HSET', key, 'n', int(n), 'f', int(first), 'b', int(bytes), 'w', ARGV[2] .. int(before + math.max(came, #ARGV - 5)))
local class = byte(id, 7) % 16
if live then
  call('PERSIST', key)
  call('HSET', T .. 'logs', id, '')
elseif class > 0 then
  call('PEXPIRE', key, KEEP[class])
end
return { 'OK' }
