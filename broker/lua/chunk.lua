-- chunk.lua: a part of data that is being stored. It expires if the data is not kept.
-- include: base
--
-- KEYS[1]  prefix of the partition
-- ARGV[1]  generation of the data
-- ARGV[2]  number of the chunk, from 0
-- ARGV[3]  its bytes
-- ARGV[4]  how long it waits for the others, ms
--
-- Returns {'OK'}
local blob = T .. 'blob:' .. ARGV[1]
call('HSET', blob, ARGV[2], ARGV[3])
if call('HEXISTS', blob, 'k') == 0 then call('PEXPIRE', blob, ARGV[4]) end -- else this came late, and again
return { 'OK' }
