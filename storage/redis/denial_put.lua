-- Adds a denial, or replaces it, as long as there is room.
-- KEYS: denials
-- ARGV: kind and key, BEFORE:EXPIRY, most of them, time now
-- Returns 1, or 0: there are as many as there may be.
local call = redis.call
local max = tonumber(ARGV[3])
if call('HLEN', KEYS[1]) >= max and call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
    local all = call('HGETALL', KEYS[1])
    for i = 1, #all, 2 do
        local expiry = tonumber(string.match(all[i + 1], ':(%d+)$'))
        if expiry and expiry ~= 0 and expiry <= tonumber(ARGV[4]) then
            call('HDEL', KEYS[1], all[i])
        end
    end
    if call('HLEN', KEYS[1]) >= max then
        return 0
    end
end
call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
