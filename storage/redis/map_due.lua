-- Keys of maps whose time is over. They stay: who asked takes each out, and tells of it.
-- KEYS: maps with times, generation. What else belongs to those that are found is named here, which no script
--       could do on a cluster.
-- ARGV: what names begin with, how many keys, generation as the node knows it: those who follow a
--       map without a stream have nothing else by which they would hear of another
-- Returns '1' there may be more, map, what it keeps (SIZE:TTL:TTL-OF-META; '': nothing),
--       publication, map ...
local call = redis.call
if call('GET', KEYS[2]) ~= ARGV[3] then
    return redis.error_reply('STALE another generation')
end
local t = call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local left, reply = tonumber(ARGV[2]), { '0' }
for _, map in ipairs(call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, left)) do
    local times, values = ARGV[1] .. 'map_times.' .. map, ARGV[1] .. 'map.' .. map
    local keys = call('ZRANGEBYSCORE', times, '-inf', now, 'LIMIT', 0, left)
    local kept = call('HGET', ARGV[1] .. 'meta.' .. map, 'k') or ''
    for _, key in ipairs(keys) do
        local value = call('HGET', values, key)
        local length, from = string.match(value or '', '^%d+:%d+:(%d+):()')
        if length then
            reply[#reply + 1] = map
            reply[#reply + 1] = kept
            reply[#reply + 1] = string.sub(value, from + length + 8)
            left = left - 1
        else
            call('ZREM', times, key)
        end
    end
    local first = #keys == 0 and call('ZRANGE', times, 0, 0, 'WITHSCORES')
    if first and first[2] then
        call('ZADD', KEYS[1], first[2], map)
    elseif first then
        call('ZREM', KEYS[1], map)
    end
    if left <= 0 then
        reply[1] = '1'
        break
    end
end
return reply
