-- What a process has not heard of revocations, and its word that it has heard all before.
-- KEYS  as of revoke.lua.
-- ARGV  now ('' for the clock of Redis); the latest time that it knows, '' for none, 'leaves' when it ends; its name, '' for one that only looks.
-- Gives the latest time; 'same', 'newer' or 'whole' (all that there is follows); ids, each with its time.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local from, name = tonumber(ARGV[2]), ARGV[3]
local DAY = 86400000

if ARGV[2] == 'leaves' then
  redis.call('ZREM', KEYS[3], name)
  return { 0, 'same', {} }
end
local last = tonumber(redis.call('HMGET', KEYS[2], 'last')[1]) or 0
if from == last then
  if name ~= '' then
    redis.call('ZADD', KEYS[3], math.max(now, last + 1), name)
    redis.call('PEXPIRE', KEYS[3], DAY)
  end
  return { last, 'same', {} }
end
-- It knows later ones than there are here: this server has lost some.
if not from or last < from then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - DAY)
  return { last, 'whole', redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'WITHSCORES') }
end
return { last, 'newer', redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', from), '+inf', 'WITHSCORES') }
