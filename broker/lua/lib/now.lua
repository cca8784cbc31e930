-- now(): the time in ms. The model test puts a settable clock in its place.
local function now()
  local t = call('TIME')
  return t[1] * 1000 + floor(t[2] / 1000)
end
