-- Admits a request to all of its buckets, or to none. The arithmetic is that of bucket-state.ts.
-- KEYS  for each bucket: its state, its holds.
-- ARGV  now ('' for the clock of Redis), request id, milliseconds to hold ('' only looks);
--       for each bucket: kind (r requests, t tokens, c concurrency, d and m budget of a day and month), amount, limit or burst,
--       flow, window of the flow in ms, and 1 if it refuses (a budget may not).
-- Gives admitted (1, 0), now, index of the bucket to wait for longest, milliseconds to wait, and what is left in each bucket.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local id, hold_for = ARGV[2], tonumber(ARGV[3])
local DAY = 86400000
-- A clock that was further ahead than this (set wrongly, or a failover to one that is right) is not waited for.
local AHEAD = 60000
local IN_FLIGHT_RETRY = 1000
local ROUNDING = 1e-4

-- Civil date of a day since 1970: months since year 0, and the day of the month.
local function month_of(days)
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return year * 12 + month - 1, doy - math.floor((153 * mp + 2) / 5) + 1
end
local function period_of(kind, ms)
  local days = math.floor(ms / DAY)
  if kind == 'd' then return days end
  return (month_of(days))
end
local function period_end(kind, ms)
  local days = math.floor(ms / DAY) + 1
  if kind == 'm' then
    while select(2, month_of(days)) ~= 1 do days = days + 1 end
  end
  return days * DAY
end

-- Members are <id>:<amount>:<period>.
local function expired_of(holds)
  local gone = redis.call('ZRANGEBYSCORE', holds, '-inf', now, 'LIMIT', 0, 1000)
  if #gone > 0 then redis.call('ZREM', holds, unpack(gone)) end
  return gone
end

local count = #KEYS / 2
local states, left = {}, {}
local refusing, wait = 0, 0
for i = 1, count do
  local state_key, holds_key = KEYS[2 * i - 1], KEYS[2 * i]
  local base = 3 + (i - 1) * 6
  local kind = ARGV[base + 1]
  local amount, limit = tonumber(ARGV[base + 2]), tonumber(ARGV[base + 3])
  local flow, window = tonumber(ARGV[base + 4]), tonumber(ARGV[base + 5])
  local own = 0
  if kind == 'r' or kind == 't' then
    local state = redis.call('HMGET', state_key, 'taken', 'at')
    local taken, at = tonumber(state[1]) or 0, tonumber(state[2]) or 0
    if now > at then
      taken = math.max(0, taken - (now - at) * flow / window)
      at = now
    elseif at > now + AHEAD then
      at = now
    end
    if kind == 't' then
      for _, member in ipairs(expired_of(holds_key)) do
        taken = math.max(0, taken - tonumber(member:match(':(%d+):%d+$')))
      end
    end
    states[i] = { taken, at }
    left[i] = limit - taken
    local missing = math.min(amount, limit) - left[i]
    if missing > ROUNDING then own = math.max(1, math.ceil(missing * window / flow - ROUNDING)) end
  elseif kind == 'c' then
    expired_of(holds_key)
    left[i] = limit - redis.call('ZCARD', holds_key)
    if left[i] < 1 then own = IN_FLIGHT_RETRY end
  else
    local state = redis.call('HMGET', state_key, 'period', 'spent', 'held')
    local period, spent, held = tonumber(state[1]) or 0, tonumber(state[2]) or 0, tonumber(state[3]) or 0
    local present = period_of(kind, now)
    if present > period then
      period, spent, held = present, 0, 0
    elseif period > period_of(kind, now + AHEAD) then
      period = present
    end
    for _, member in ipairs(expired_of(holds_key)) do
      local was, of = member:match(':(%d+):(%d+)$')
      if tonumber(of) >= period then held = held - tonumber(was) end
    end
    states[i] = { period, spent, held }
    left[i] = limit - spent - held
    if ARGV[base + 6] == '1' and left[i] < amount then
      own = spent + amount <= limit and IN_FLIGHT_RETRY or period_end(kind, now) - now
    end
  end
  if own > wait then refusing, wait = i, own end
end

local admitted = hold_for ~= nil and wait == 0
for i = 1, count do
  local state_key, holds_key = KEYS[2 * i - 1], KEYS[2 * i]
  local base = 3 + (i - 1) * 6
  local kind, amount = ARGV[base + 1], tonumber(ARGV[base + 2])
  local flow, window = tonumber(ARGV[base + 4]), tonumber(ARGV[base + 5])
  local state = states[i]
  local period = 0
  if admitted then left[i] = left[i] - amount end
  if kind == 'r' or kind == 't' then
    local taken = admitted and state[1] + amount or state[1]
    -- Once all has flowed back there is nothing to know.
    if taken > 0 then
      redis.call('HSET', state_key, 'taken', taken, 'at', state[2])
      redis.call('PEXPIRE', state_key, math.ceil(taken * window / flow) + 60000)
    else
      redis.call('DEL', state_key)
    end
  elseif kind ~= 'c' then
    period = state[1]
    local held = admitted and state[3] + amount or state[3]
    redis.call('HSET', state_key, 'period', period, 'spent', state[2], 'held', held)
    redis.call('PEXPIRE', state_key, (kind == 'd' and 2 or 40) * DAY)
  end
  if admitted and kind ~= 'r' then
    redis.call('ZADD', holds_key, now + hold_for, id .. ':' .. ARGV[base + 2] .. ':' .. string.format('%.0f', period))
    -- No hold is longer than a day.
    redis.call('PEXPIRE', holds_key, 2 * DAY)
  end
end

local reply = { admitted and 1 or 0, now, refusing, wait }
for i = 1, count do reply[4 + i] = math.floor(left[i]) end
return reply
