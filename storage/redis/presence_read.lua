-- Who is in a channel, those whose time is over forgotten before.
-- KEYS: infos by client, times by client, numbers of clients by user
-- ARGV: '1': their infos; else how many clients and users
local call = redis.call
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for _, client in ipairs(call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
    local info = call('HGET', KEYS[1], client)
    if info then
        local from, to, length = string.find(info, '^(%d+):')
        local user = string.sub(info, to + 1, to + tonumber(length))
        if call('HINCRBY', KEYS[3], user, -1) <= 0 then
            call('HDEL', KEYS[3], user)
        end
        call('HDEL', KEYS[1], client)
    end
    call('ZREM', KEYS[2], client)
end
if ARGV[1] == '1' then
    return call('HGETALL', KEYS[1])
end
return { call('HLEN', KEYS[1]), call('HLEN', KEYS[3]) }
