-- Adds a client to a channel, or renews it.
-- KEYS: infos by client, times by client, numbers of clients by user
-- ARGV: client, ttl, info, which begins with USERLENGTH:USER
local call = redis.call
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function user_of(info)
    local from, to, length = string.find(info, '^(%d+):')
    return string.sub(info, to + 1, to + tonumber(length))
end
local function leave(user)
    if call('HINCRBY', KEYS[3], user, -1) <= 0 then
        call('HDEL', KEYS[3], user)
    end
end

for _, client in ipairs(call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)) do
    local info = call('HGET', KEYS[1], client)
    if info then
        leave(user_of(info))
        call('HDEL', KEYS[1], client)
    end
    call('ZREM', KEYS[2], client)
end

local old = call('HGET', KEYS[1], ARGV[1])
call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
if old ~= ARGV[3] then
    call('HSET', KEYS[1], ARGV[1], ARGV[3])
    local user = user_of(ARGV[3])
    if not old or user_of(old) ~= user then
        call('HINCRBY', KEYS[3], user, 1)
        if old then
            leave(user_of(old))
        end
    end
end
-- All end together, with whoever stays longest: by this key's time.
local rest, ttl = call('PTTL', KEYS[2]), tonumber(ARGV[2])
if rest < ttl then
    rest = ttl
    call('PEXPIRE', KEYS[2], rest)
end
call('PEXPIRE', KEYS[1], rest)
call('PEXPIRE', KEYS[3], rest)
return 1
