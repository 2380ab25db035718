-- A node says that it is there, and hears of the others.
-- KEYS: times by node, what each says of itself
-- ARGV: id, what it says ('': it goes), after how long a node is gone
-- Returns id, what it says, id ...
local call = redis.call
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ttl = tonumber(ARGV[3])
if ARGV[2] == '' then
    call('ZREM', KEYS[1], ARGV[1])
    call('HDEL', KEYS[2], ARGV[1])
    return {}
end
call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
call('HSET', KEYS[2], ARGV[1], ARGV[2])
for _, id in ipairs(call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ttl))) do
    call('ZREM', KEYS[1], id)
    call('HDEL', KEYS[2], id)
end
call('PEXPIRE', KEYS[1], ttl * 10)
call('PEXPIRE', KEYS[2], ttl * 10)
return call('HGETALL', KEYS[2])
