-- guard(): raises now, before anything was written, the error that a damaged
-- key would raise half-way. Only moves other than a plain success need it.
local function guard()
  call('HLEN', T .. 'hist')
  call('HLEN', T .. 'hooks')
  call('HLEN', T .. 'notes')
  call('HLEN', T .. 'saved')
  call('HLEN', T .. 'logs')
  call('HLEN', T .. 'unique')
  call('HLEN', T .. 'waits')
  call('ZCARD', T .. 'dead')
  call('ZCARD', T .. 'delayed')
  call('LLEN', T .. 'cont')
  call('SCARD', T .. 'queues')
end
