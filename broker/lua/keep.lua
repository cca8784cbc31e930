-- keep.lua: the data under a key is replaced as a whole, or removed. All that it is made
-- of is there before the key names it.
-- include: base
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  key
-- ARGV[2]  generation of the new data, '' to remove the old
-- ARGV[3]  size, number of chunks and digest, which only Go reads
-- ARGV[4]  its bytes, if it has no chunks
-- ARGV[5]  number of its chunks
-- ARGV[6]  lifetime, ms; 0 for ever
-- ARGV[7]  how long the chunks outlive the key, ms: for those who have begun to read
--
-- Returns {'OK'}, or {'GONE'}: some chunks are not there, since they have expired, or
-- Redis has lost them, or the data was kept and replaced already. Nothing was changed.
local head, blob = T .. 'data:' .. ARGV[1], T .. 'blob:' .. ARGV[2]
local old, chunks, life = call('HGET', head, 'g'), tonumber(ARGV[5]), tonumber(ARGV[6])
if ARGV[2] == '' then
  call('DEL', head)
elseif old == ARGV[2] then
  return { 'OK' }
else
  if chunks > 0 and call('HLEN', blob) ~= chunks then return { 'GONE' } end
  call('HSET', head, 'g', ARGV[2], 'i', ARGV[3], 'c', ARGV[4])
  if chunks > 0 then call('HSET', blob, 'k', '') end
  if life > 0 then
    call('PEXPIRE', head, ARGV[6])
    if chunks > 0 then call('PEXPIRE', blob, string.format('%d', life + tonumber(ARGV[7]))) end
  else
    call('PERSIST', head)
    if chunks > 0 then call('PERSIST', blob) end
  end
end
if old then call('UNLINK', T .. 'blob:' .. old) end
return { 'OK' }
