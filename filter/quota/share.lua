-- One round of a process in the sharing of providers' limits (limit-sharing.ts). The arithmetic is that of limit-ledger.ts.
-- KEYS  a hash for each target: by process what it told last and what it holds; in `pools` what nobody holds of limits per minute.
-- ARGV  now ('' for the clock of Redis), process, life of what is told in ms, how many processes there are, full or empty: how pools begin;
--       for each target, as JSON, a list of: kind, limit, floor, need, used, claim, handed back, what the provider says is left.
-- Gives now, and for each target, as JSON, a list of: kind, share, what it brings, what nobody has, and of each other process that is heard of its name and need.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local process, life, processes, begin = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local MINUTE = 60000

local function share(key, told)
  local fields = redis.call('HGETALL', key)
  local entries, pools = {}, {}
  for i = 1, #fields, 2 do
    if fields[i] == 'pools' then
      pools = cjson.decode(fields[i + 1])
    else
      local entry = cjson.decode(fields[i + 1])
      -- The clock was ahead, and is set right: from now on it ages.
      if entry.at > now then
        entry.at = now
        redis.call('HSET', key, fields[i], cjson.encode(entry))
      end
      entries[fields[i]] = entry
    end
  end
  local own = entries[process]
  local said, answers = {}, {}
  for _, of in ipairs(told) do
    local kind, limit, floor, need, used, claim, handed_back, remaining = unpack(of, 1, 8)
    local held, known, others, living = 0, 0, 0, 0
    local answer = { kind, 0, 0, 0 }
    for name, entry in pairs(entries) do
      local one = entry.kinds[kind]
      if one then
        held, known = held + one[2], known + 1
        if name ~= process and entry.at + life > now then
          others, living = others + one[2], living + 1
          answer[#answer + 1] = name
          answer[#answer + 1] = one[1]
        end
      end
    end
    local before = own and own.kinds[kind] and own.kinds[kind][2] or floor
    local open = limit - others - floor * math.max(processes - 1 - living, 0)
    local granted = math.max(math.min(claim, open), floor)
    local hold = granted
    if kind == 'concurrency' then
      hold = math.max(granted, used)
      answer[4] = math.max(open - hold, 0)
    else
      local pool, left = pools[kind], 0
      if pool then
        -- Since the last round nobody had what the processes that were known then did not hold.
        local free = math.max(limit - held - floor * math.max(processes - known, 0), 0)
        left = math.min(pool[1] + math.max(now - pool[2], 0) * free / MINUTE, free)
      elseif begin == 'full' then
        left = math.max(open - before, 0)
      end
      left = left + handed_back
      if remaining ~= cjson.null then left = math.min(left, remaining * math.max(open - math.min(before, granted), 0) / limit) end
      if granted > before then
        answer[3] = left * (granted - before) / (math.max(open, granted) - before)
        left = left - answer[3]
      end
      answer[4] = math.max(math.min(left, open - granted), 0)
      pools[kind] = { answer[4], now }
    end
    said[kind] = { need, hold }
    answer[2] = granted
    answers[#answers + 1] = answer
  end
  for name, entry in pairs(entries) do
    if entry.at + life <= now then redis.call('HDEL', key, name) end
  end
  if #told > 0 then
    redis.call('HSET', key, process, cjson.encode({ at = now, kinds = said }), 'pools', cjson.encode(pools))
    -- By then every pool is full again.
    redis.call('PEXPIRE', key, 2 * MINUTE)
  end
  return cjson.encode(answers)
end

local reply = { string.format('%.0f', now) }
for i, key in ipairs(KEYS) do reply[i + 1] = share(key, cjson.decode(ARGV[5 + i])) end
return reply
