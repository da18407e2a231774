-- Holds that are still there last longer.
-- KEYS  for each bucket: its holds.
-- ARGV  now ('' for the clock of Redis), milliseconds to hold; for each bucket: the member.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local expires_at = now + tonumber(ARGV[2])
for i = 1, #KEYS do
  local score = tonumber(redis.call('ZSCORE', KEYS[i], ARGV[2 + i]) or 0)
  if score > now then
    redis.call('ZADD', KEYS[i], expires_at, ARGV[2 + i])
    redis.call('PEXPIRE', KEYS[i], 172800000)
  end
end
return 1
