-- send(name, message): a hint for a session or an inbox; false if nobody hears it.
-- What the caller hears itself, home, goes along with the answer: a message on a
-- channel would take another way, and longer.
local home, mail = '', {}
local function send(name, message)
  if string.find(home, name, 1, true) then
    mail[#mail + 1] = name .. message
    return true
  end
  return call(PUBLISH, T .. 'in:' .. name, message) > 0 or DEAF
end
