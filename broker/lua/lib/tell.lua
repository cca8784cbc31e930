-- tell: the ends of jobs go to those who wait, as hints: one message for each
-- inbox and script, 'R' and then for each end ID, state, length, tail. A tail
-- over INLINE bytes stays here, and the length says so.
local INLINE, NOT_INLINE = 2048, '\255\255\255\255'
local letters, inboxes = {}, {}

local function tell(inbox, id, state, tail)
  local l = letters[inbox]
  if not l then
    l = { 'R' }
    letters[inbox] = l
    inboxes[#inboxes + 1] = inbox
  end
  local n = #l
  l[n + 1], l[n + 2] = id, state
  if #tail > INLINE then
    l[n + 3] = NOT_INLINE
  else
    l[n + 3], l[n + 4] = '\0\0' .. char(floor(#tail / 256), #tail % 256), tail
  end
end

local function flushLetters()
  for _, inbox in ipairs(inboxes) do
    send(inbox, table.concat(letters[inbox]))
  end
  letters, inboxes = {}, {}
end
