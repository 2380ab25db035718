-- A node's channels begin to have subscribers there, or have none any more. What that changes for all nodes together becomes an event.
-- KEYS: nodes by the end of their lease, the node's channels, what channels count (twice the nodes that have them, 1 more if their
--       event was put down), events, the number of the last
-- ARGV: node, most events, whom to tell of them; then a letter and a channel each: 'e' enters, 'l' leaves, 'r' enters and was told of,
--       before Redis lost it
-- Returns how many beginnings found no room among the events, or -1: the node is not known, nothing was done.
local call = redis.call
if not call('ZSCORE', KEYS[1], ARGV[1]) then
    return -1
end
local t = call('TIME')
local number = math.max(tonumber(call('GET', KEYS[5])) or 0, t[1] * 1000000 + t[2] - 1)
local max, dropped, n = tonumber(ARGV[2]), 0, 0
local function put(what, channel)
    number = number + 1
    n = n + 1
    local at = string.format('%.0f', number)
    call('ZADD', KEYS[4], at, at .. ':' .. what .. channel)
end

for i = 4, #ARGV do
    local what, channel = string.sub(ARGV[i], 1, 1), string.sub(ARGV[i], 2)
    local count = tonumber(call('HGET', KEYS[3], channel)) or 0
    if what == 'l' then
        if call('ZREM', KEYS[2], channel) == 1 then
            if count >= 4 then
                call('HSET', KEYS[3], channel, count - 2)
            else
                call('HDEL', KEYS[3], channel)
                if count == 3 then
                    put('v', channel)
                end
            end
        end
    elseif call('ZADD', KEYS[2], 0, channel) == 1 then
        if count == 0 and what == 'r' then
            count = 1
        elseif count == 0 and call('ZCARD', KEYS[4]) < max then
            put('o', channel)
            count = 1
        elseif count == 0 then
            dropped = dropped + 1
        end
        call('HSET', KEYS[3], channel, count + 2)
    end
end
if n > 0 then
    call('SET', KEYS[5], string.format('%.0f', number))
    call('PUBLISH', ARGV[3], '')
end
return dropped
