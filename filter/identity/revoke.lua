-- Ids are revoked. One that stands there already keeps its time.
-- KEYS  ids by the time that they were told; the latest such time; processes by the time at which they last knew all of it.
-- ARGV  now ('' for the clock of Redis), how long an id is kept in ms, how many are kept, 'displace' or 'if_room' for when there are so many; ids.
-- Gives the time of the first id; names of the processes that know it; names of those that do not, and were here just now.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local keep, limit, when_full = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local RECENT = 15000

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - keep)
local last = tonumber(redis.call('HMGET', KEYS[2], 'last')[1]) or 0
-- Later than all before it, whatever the clock does: readers ask for what is later than they know.
local at = math.max(now, last + 1)
local count, added = redis.call('ZCARD', KEYS[1]), 0
for i = 5, #ARGV do
  if not redis.call('ZSCORE', KEYS[1], ARGV[i]) and (count < limit or when_full == 'displace') then
    redis.call('ZADD', KEYS[1], at, ARGV[i])
    count, added = count + 1, added + 1
  end
end
if count > limit then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'LIMIT', 0, count - limit)) do
    redis.call('ZREM', KEYS[1], id)
  end
end
if added > 0 then
  redis.call('HSET', KEYS[2], 'last', string.format('%.0f', at))
  redis.call('PEXPIRE', KEYS[1], keep)
  redis.call('PEXPIRE', KEYS[2], keep)
end

local told_at = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[5]) or 0)
local text = string.format('%.0f', told_at)
local know = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. text, '+inf')
local wait = redis.call('ZRANGEBYSCORE', KEYS[3], now - RECENT, text)
return { told_at, know, wait }
