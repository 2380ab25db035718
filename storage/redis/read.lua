-- Reads where a channel stands and, if asked for, its publications. A channel that nobody has
-- published in is promised an epoch, for a while.
-- KEYS: meta, stream, generation
-- ARGV: generation as the node knows it, epoch if one begins, ttl of a promise, limit, size,
--       'f'orward or 'r'everse, since ('': none), time at which a publication has expired, how many
--       bytes an answer may have: it has fewer publications then, but one at least
-- Returns OFFSET:EPOCH, id, publication, id, publication ...
local call = redis.call
if call('GET', KEYS[3]) ~= ARGV[1] then
    return redis.error_reply('STALE another generation')
end
local m = call('HMGET', KEYS[1], 'e', 's', 'g')
local epoch, top = m[1], tonumber(m[2]) or 0
if m[3] ~= ARGV[1] then
    if not epoch and call('EXISTS', KEYS[2]) == 1 then
        call('DEL', KEYS[2]) -- whose meta was evicted
    end
    epoch = ARGV[2]
    call('HSET', KEYS[1], 'e', epoch, 'g', ARGV[1])
end
if top == 0 then
    call('PEXPIRE', KEYS[1], ARGV[3])
end

local reply = { string.format('%.0f', top) .. ':' .. epoch }
local limit, first, last = tonumber(ARGV[4]), math.max(top - tonumber(ARGV[5]) + 1, 1), top
local since = tonumber(ARGV[7])
if since and ARGV[6] == 'f' then
    first = math.max(first, since + 1)
elseif since then
    last = math.min(last, since - 1)
end

-- Those that have expired do not count; they are the oldest, as far as clocks agree.
local expired, n, room = tonumber(ARGV[8]), 0, tonumber(ARGV[9])
while n < limit and first <= last do
    local from, to = string.format('%.0f', first), string.format('%.0f', last)
    local count = math.min(limit - n, 1000)
    local items = ARGV[6] == 'f' and call('XRANGE', KEYS[2], from, to, 'COUNT', count)
        or call('XREVRANGE', KEYS[2], to, from, 'COUNT', count)
    local offset
    for i = 1, #items do
        local id, fields = items[i][1], items[i][2]
        local o, t = string.match(id, '^(%d+)-(%d+)$')
        offset = tonumber(o)
        if tonumber(t) > expired then
            room = room - #id - #fields[2] - 128
            if room < 0 and n > 0 then
                return reply
            end
            reply[2 * n + 2] = id
            reply[2 * n + 3] = fields[2]
            n = n + 1
        end
    end
    if #items < count then
        break
    end
    if ARGV[6] == 'f' then
        first = offset + 1
    else
        last = offset - 1
    end
end
return reply
