-- Takes a client out of a channel.
-- KEYS: infos by client, times by client, numbers of clients by user
-- ARGV: client
local call = redis.call
local info = call('HGET', KEYS[1], ARGV[1])
if info then
    local from, to, length = string.find(info, '^(%d+):')
    local user = string.sub(info, to + 1, to + tonumber(length))
    call('HDEL', KEYS[1], ARGV[1])
    if call('HINCRBY', KEYS[3], user, -1) <= 0 then
        call('HDEL', KEYS[3], user)
    end
end
call('ZREM', KEYS[2], ARGV[1])
return 1
