"""The one script: everything that a daemon tells and asks of one kind of call, in one atomic round trip.

Theory of operation. A sorted set holds one member for each call that Circle may still count, scored by the
moment at which its place is free again. All moments are of Redis's own clock (`TIME`); what daemons say
is counted from now, so it doesn't matter how wrong their clocks are. A call is granted by adding its
member, with the latest moment that is possible: it goes out within its validity, and Circle has counted it
within the cap after that. When the answer is there, its daemon says when the place truly is free, which is
sooner. A daemon that dies says nothing: its places free themselves.

A daemon never gets more than leaves the others that wait their part: for each of them as many places are
kept back as it wants, up to an equal share, less those that it has. So a busy daemon takes all that
nobody else wants and no more. Who has asked and got less than it wants counts as waiting for two seconds.

What is learnt from a 429 is kept here too, and told to everyone who asks: until when the account makes no
call, and which share of the limit is to be used.

Redis may have forgotten everything (a restart without its data, an eviction). Then daemons still have
calls that count: each tells of its own as soon as it sees the new epoch, and a token that isn't known is
added. Until all have done so, in the first two seconds of an epoch, nobody has more than its equal share.

Alternatives that lost. A token bucket: its bursts put up to twice the limit into one sliding second. A
counter for each second of the clock: the same at the border of two. A list of send times without the answers'
news: it must hold each place for the worst latency and halves what can be used.
"""

# KEYS: places (sorted set), numbers (hash), wants (hash), account (hash of all kinds).
# ARGV: daemon, limit, want, daemons, lifetime of a grant, window, refusal or -1, serial, then token and delay
# in pairs. Times are microseconds.
SCRIPT = """
local places, numbers, wants, account = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local daemon, limit, want, daemons = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local lifetime, window = tonumber(ARGV[5]), tonumber(ARGV[6])
local refusal, serial = tonumber(ARGV[7]), tonumber(ARGV[8])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local MEMORY, YOUTH, PATIENCE, MOMENT, RECOVERY = 3600, 2000000, 2000000, 20000, 0.1

local function number(key, field, default)
  return tonumber(redis.call('HGET', key, field) or default)
end

local function owner(member)
  return string.match(member, '^(.-)|')
end

local function remove(member)
  if redis.call('ZREM', places, member) == 0 then return end
  local field = 'used:' .. owner(member)
  if redis.call('HINCRBY', numbers, field, -1) <= 0 then redis.call('HDEL', numbers, field) end
end

local function hold(member, free_at)
  if redis.call('ZADD', places, string.format('%.0f', free_at), member) == 1 then
    redis.call('HINCRBY', numbers, 'used:' .. owner(member), 1)
  end
end

-- The epoch: whether anything is remembered.
local epoch = redis.call('HGET', account, 'epoch')
if not epoch then
  epoch = string.format('%.0f', now)
  redis.call('HSET', account, 'epoch', epoch)
end

-- What the daemon tells.
for i = 9, #ARGV, 2 do
  local member, delay = daemon .. '|' .. ARGV[i], tonumber(ARGV[i + 1])
  if delay > 0 then hold(member, now + delay) else remove(member) end
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', places, '-inf', string.format('%.0f', now))) do
  remove(member)
end

-- What a 429 taught.
local share, since = number(numbers, 'share', 1), number(numbers, 'since', 0)
share = math.min(1, share + RECOVERY * math.max(0, now - since) / 1000000)
local gate = math.max(0, number(account, 'gate', 0) - now)
if refusal >= 0 then
  gate = math.max(gate, refusal)
  redis.call('HSET', account, 'gate', string.format('%.0f', now + gate))
  if now >= number(numbers, 'cut', 0) + window then
    share = math.max(1 / limit, share / 2)
    redis.call('HSET', numbers, 'cut', string.format('%.0f', now))
  end
  redis.call('HSET', numbers, 'share', tostring(share), 'since', string.format('%.0f', now + gate))
end
local allowed = math.max(1, math.floor(limit * share + 0.000001))

-- Who else waits, and what is kept back for them.
local free = allowed - redis.call('ZCARD', places)
local mine, kept, others = number(numbers, 'used:' .. daemon, 0), 0, {}
local waiting = redis.call('HGETALL', wants)
for i = 1, #waiting, 2 do
  local asked, at = string.match(waiting[i + 1], '^(%d+) (%d+)$')
  if now - tonumber(at) > PATIENCE then
    redis.call('HDEL', wants, waiting[i])
  elseif waiting[i] ~= daemon then
    others[#others + 1] = {waiting[i], tonumber(asked)}
  end
end
local equal = math.max(1, math.floor(allowed / (#others + 1)))
for _, other in ipairs(others) do
  kept = kept + math.max(0, math.min(other[2], equal - number(numbers, 'used:' .. other[1], 0)))
end
if mine < equal then
  -- Our own share is as good as theirs: where there are fewer places than daemons, who asks first has one.
  kept = math.min(kept, math.max(0, free - 1))
end
local granted = math.min(want, free - kept)
if now - tonumber(epoch) < YOUTH then
  granted = math.min(granted, math.max(1, math.floor(limit / daemons)) - mine)
end
if gate > 0 then granted = 0 end
granted = math.max(0, granted)

for i = 1, granted do
  hold(daemon .. '|' .. string.format('%.0f', serial + i), now + lifetime)
end
if want > granted then
  redis.call('HSET', wants, daemon, (want - granted) .. ' ' .. string.format('%.0f', now))
else
  redis.call('HDEL', wants, daemon)
end

-- When more may be had.
local next = redis.call('ZRANGE', places, 0, 0, 'WITHSCORES')
local retry = gate
if next[2] then retry = math.max(retry, tonumber(next[2]) - now) end
if kept > 0 and free > 0 then retry = math.max(gate, MOMENT) end

for _, key in ipairs({places, numbers, wants, account}) do redis.call('EXPIRE', key, MEMORY) end
return {granted, string.format('%.0f', retry), tostring(share), string.format('%.0f', gate), epoch}
"""
