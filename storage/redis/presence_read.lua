-- Who is in a channel, those whose time is over forgotten before.
-- KEYS: infos by client, times by client, numbers of clients by user
-- ARGV: '1': their infos; else how many clients and users. How many bytes an answer may have
local call = redis.call
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function user_of(info)
    local from, to, length = string.find(info, '^(%d+):')
    return string.sub(info, to + 1, to + tonumber(length))
end

for _, client in ipairs(call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
    local info = call('HGET', KEYS[1], client)
    if info then
        local user = user_of(info)
        if call('HINCRBY', KEYS[3], user, -1) <= 0 then
            call('HDEL', KEYS[3], user)
        end
        call('HDEL', KEYS[1], client)
    end
    call('ZREM', KEYS[2], client)
end

-- Redis may have let one of the three go for want of memory: then who has no time would stay.
local n, ttl = call('HLEN', KEYS[1]), call('PTTL', KEYS[1])
if n ~= call('ZCARD', KEYS[2]) or (n > 0) ~= (call('EXISTS', KEYS[3]) == 1) then
    local all = call('HGETALL', KEYS[1])
    call('DEL', KEYS[3])
    for i = 1, #all, 2 do
        if call('ZSCORE', KEYS[2], all[i]) then
            call('HINCRBY', KEYS[3], user_of(all[i + 1]), 1)
        else
            call('HDEL', KEYS[1], all[i])
        end
    end
    for _, client in ipairs(call('ZRANGE', KEYS[2], 0, -1)) do
        if call('HEXISTS', KEYS[1], client) == 0 then
            call('ZREM', KEYS[2], client)
        end
    end
    if ttl > 0 then
        call('PEXPIRE', KEYS[3], ttl)
    end
end

if ARGV[1] == '1' then
    -- With what each takes in the memory of who reads it.
    local most, size, all = tonumber(ARGV[2]), call('HLEN', KEYS[1]) * 128, {}
    if size <= most then
        all = call('HGETALL', KEYS[1])
        size = 0
        for i = 1, #all do
            size = size + #all[i] + 64
        end
    end
    if size > most then
        return redis.error_reply('TOOLARGE for one answer')
    end
    return all
end
return { call('HLEN', KEYS[1]), call('HLEN', KEYS[3]) }
