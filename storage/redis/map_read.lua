-- Reads keys of a map and where its stream stands. A map that nobody has changed is promised an
-- epoch, for a while.
-- KEYS: generation, meta, stream, values, order, times, one that this script makes and deletes
-- ARGV: generation as the node knows it, epoch if one begins, ttl of a promise, '1': it has a stream,
--       limit, 'o'ne key, by 'k'ey, 'u'p or 'd'own in the order, behind what ('': from the beginning;
--       with 'o': which one), how many bytes an answer may have: it has fewer keys then, but one at
--       least
-- Returns OFFSET:EPOCH, '1' there is more, offset, publication, offset, publication ...
local call = redis.call
if call('GET', KEYS[1]) ~= ARGV[1] then
    return redis.error_reply('STALE another generation')
end
local values, order, times = KEYS[4], KEYS[5], KEYS[6]
local epoch, top = ARGV[1], 0 -- without a stream: pages of one generation belong together
if ARGV[4] == '1' then
    local m = call('HMGET', KEYS[2], 'e', 's', 'g')
    epoch, top = m[1], tonumber(m[2]) or 0
    if m[3] ~= ARGV[1] then
        if not epoch and call('EXISTS', KEYS[3]) == 1 then
            call('DEL', KEYS[3]) -- whose meta was evicted
        end
        epoch = ARGV[2]
        call('HSET', KEYS[2], 'e', epoch, 'g', ARGV[1])
    end
    if top == 0 and call('EXISTS', values) == 0 then
        call('PEXPIRE', KEYS[2], ARGV[3])
    end
end

local reply = { string.format('%.0f', top) .. ':' .. epoch, '0' }
local limit, how, behind, room = tonumber(ARGV[5]), ARGV[6], ARGV[7], tonumber(ARGV[8])
if limit == 0 then
    return reply
end
local t = call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local function add(value)
    local at, length, from = string.match(value, '^(%d+):%d+:(%d+):()')
    if at then -- else it is somebody else's
        reply[#reply + 1] = at
        reply[#reply + 1] = string.sub(value, from + length + 8)
    end
    return at and 1 or 0
end

if how == 'o' then
    local value, till = call('HGET', values, behind), call('ZSCORE', times, behind)
    if value and not (till and tonumber(till) <= tonumber(now)) then
        add(value)
    end
    return reply
end

-- Those whose time is over, and that are about to go.
local over = {}
for _, key in ipairs(call('ZRANGEBYSCORE', times, '-inf', now)) do
    over[key] = true
end

-- By key is the order, too, where all have the same score; else one is made.
local skipped, made = 8, false
if how == 'k' then
    local first, last = call('ZRANGE', order, 0, 0)[1], call('ZRANGE', order, -1, -1)[1]
    if first and string.sub(first, 1, 8) ~= string.sub(last, 1, 8) then
        order, skipped, made = KEYS[7], 0, true
        local keys = call('HKEYS', values)
        for i = 1, #keys, 500 do
            local members = {}
            for k = i, math.min(i + 499, #keys) do
                members[#members + 1] = 0
                members[#members + 1] = keys[k]
            end
            call('ZADD', order, unpack(members))
        end
    elseif first and behind ~= '' then
        behind = string.sub(first, 1, 8) .. behind
    end
end

local n, begin, command, finish = 0, '-', 'ZRANGEBYLEX', '+'
if how == 'd' then
    begin, command, finish = '+', 'ZREVRANGEBYLEX', '-'
end
if behind ~= '' then
    begin = '(' .. behind
end
while reply[2] == '0' do
    local count = math.min(limit - n + 1, 500)
    local members, keys = call(command, order, begin, finish, 'LIMIT', 0, count), {}
    for i = 1, #members do
        keys[i] = string.sub(members[i], skipped + 1)
    end
    local found = #keys > 0 and call('HMGET', values, unpack(keys)) or {}
    for i = 1, #keys do
        local value = found[i]
        if value and not over[keys[i]] then
            room = room - #value - 128
            if n == limit or (room < 0 and n > 0) then
                reply[2] = '1'
                break
            end
            n = n + add(value)
        end
    end
    if #members < count then
        break
    end
    begin = '(' .. members[#members]
end
if made then
    call('DEL', order)
end
return reply
