-- Settles a request: its holds make place for what it used. Applied twice it counts once.
-- KEYS  the writer's applied settlements; then for each bucket: its state, its holds.
-- ARGV  now ('' for the clock of Redis), number of the settlement among its writer's, the lowest number that may still come again,
--       request id, when it was admitted; for each bucket: kind, amount held, amount used, flow, window of the flow in ms.
-- Gives 1, or 0 for a settlement that was applied before.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local number, lowest, id, admitted_at = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local DAY = 86400000
-- A clock that was further ahead than this (set wrongly, or a failover to one that is right) is not waited for.
local AHEAD = 60000

if redis.call('ZADD', KEYS[1], 'NX', number, number) == 0 then return 0 end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. lowest)
redis.call('PEXPIRE', KEYS[1], 40 * DAY)

local function month_of(days)
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  return (yoe + era * 400 + (month <= 2 and 1 or 0)) * 12 + month - 1
end
local function period_of(kind, ms)
  local days = math.floor(ms / DAY)
  return kind == 'd' and days or month_of(days)
end

for i = 1, (#KEYS - 1) / 2 do
  local state_key, holds_key = KEYS[2 * i], KEYS[2 * i + 1]
  local base = 5 + (i - 1) * 5
  local kind, amount, used = ARGV[base + 1], ARGV[base + 2], tonumber(ARGV[base + 3])
  local flow, window = tonumber(ARGV[base + 4]), tonumber(ARGV[base + 5])
  if kind == 'c' then
    redis.call('ZREM', holds_key, id .. ':' .. amount .. ':0')
  elseif kind == 't' then
    local state = redis.call('HMGET', state_key, 'taken', 'at')
    local taken, at = tonumber(state[1]) or 0, tonumber(state[2]) or 0
    if now > at then
      taken = math.max(0, taken - (now - at) * flow / window)
      at = now
    elseif at > now + AHEAD then
      at = now
    end
    -- What has expired flows back before anything is taken: later, it would take this away too.
    local gone = redis.call('ZRANGEBYSCORE', holds_key, '-inf', now, 'LIMIT', 0, 1000)
    if #gone > 0 then redis.call('ZREM', holds_key, unpack(gone)) end
    for _, member in ipairs(gone) do taken = math.max(0, taken - tonumber(member:match(':(%d+):%d+$'))) end
    if redis.call('ZREM', holds_key, id .. ':' .. amount .. ':0') == 1 then taken = math.max(0, taken - tonumber(amount)) end
    taken = taken + used
    if taken > 0 then
      redis.call('HSET', state_key, 'taken', taken, 'at', at)
      redis.call('PEXPIRE', state_key, math.ceil(taken * window / flow) + 60000)
    else
      redis.call('DEL', state_key)
    end
  elseif kind ~= 'r' then
    local state = redis.call('HMGET', state_key, 'period', 'spent', 'held')
    local period, spent, held = tonumber(state[1]) or 0, tonumber(state[2]) or 0, tonumber(state[3]) or 0
    local present = period_of(kind, now)
    if present > period then
      period, spent, held = present, 0, 0
    elseif period > period_of(kind, now + AHEAD) then
      period = present
    end
    local of = period_of(kind, admitted_at)
    local was_held = redis.call('ZREM', holds_key, id .. ':' .. amount .. ':' .. string.format('%.0f', of)) == 1
    -- What was admitted in a period that has ended is no business of the next one.
    if of >= period then
      if was_held then held = held - tonumber(amount) end
      spent = spent + used
    end
    redis.call('HSET', state_key, 'period', period, 'spent', spent, 'held', held)
    redis.call('PEXPIRE', state_key, (kind == 'd' and 2 or 40) * DAY)
  end
end
return 1
