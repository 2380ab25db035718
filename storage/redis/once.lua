-- Distributes a publication that is not kept, unless its idempotency key was there.
-- KEYS: what the idempotency key was answered with
-- ARGV: channel, message, ttl of the key
-- Returns as publish.lua does, with offset 0 and no epoch.
local first = redis.call('GET', KEYS[1])
if first then
    return 'd' .. first
end
redis.call('SET', KEYS[1], '0:', 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 'k0:'
