-- Changes a key of a map, and distributes the change, in one step.
-- KEYS: generation, meta, stream, values, order, times, maps with times[, what the idempotency key
--       was answered with]
-- ARGV: generation as the node knows it, epoch if one begins, channel, the map, history size ('0':
--       it is ephemeral, without stream and offsets), its ttl, ttl of meta, time, publication for the
--       stream and for subscribers, key, its place in the order (eight bytes) and publication ('':
--       it goes), 'n' if it is new, 'e' if it exists, 'd' if its time is over, its ttl ('0': none),
--       '1': it lives on where it exists, offset where it must be ('': anywhere), epoch, version
--       ('0': none), its epoch, how many keys there may be[, ttl of the idempotency key]
-- Returns 'k' kept | 'd' a duplicate | did nothing: 'x' it exists, 'n' it does not, 'p' is elsewhere,
--       's' has a version not older | 'q' there are too many; and OFFSET:EPOCH.
-- A value is OFFSET:VERSION:LENGTH:EPOCH-OF-VERSION, its place in the order, a publication.
-- What may be refused (out of memory) comes before what is left behind.
local call = redis.call
if call('GET', KEYS[1]) ~= ARGV[1] then
    return redis.error_reply('STALE another generation')
end
if KEYS[8] then
    local first = call('GET', KEYS[8])
    if first then
        return 'd' .. first
    end
end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local meta, stream, values, order, times = KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local is_kept, key, value = ARGV[5] ~= '0', ARGV[10], ARGV[11]

local epoch, top, is_new, m = '', 0, false, {}
if is_kept then
    m = call('HMGET', meta, 'e', 's', 'g', 'k')
    epoch, top, is_new = m[1], tonumber(m[2]) or 0, m[3] ~= ARGV[1]
    if is_new then
        epoch = ARGV[2]
        if not m[1] and call('EXISTS', stream) == 1 then
            call('DEL', stream) -- whose meta was evicted
        end
    end
end

local old, at, last, length, from = call('HGET', values, key)
if old then
    at, last, length, from = string.match(old, '^(%d+):(%d+):(%d+):()')
end
local till = at and call('ZSCORE', times, key)
local exists = at and not (till and tonumber(till) <= now)

local why
if ARGV[12] == 'd' then
    why = (exists or not at) and 'n'
elseif ARGV[12] == 'n' and exists then
    why = 'x'
elseif (ARGV[12] == 'e' or value == '') and not exists then
    why = 'n'
elseif ARGV[15] == '0' and exists then
    why = 'p'
elseif ARGV[15] ~= '' and ARGV[15] ~= '0'
    and not (exists and at == ARGV[15] and epoch == ARGV[16]) then
    why = 'p'
elseif exists and ARGV[17] ~= '0'
    and (#ARGV[17] < #last or (#ARGV[17] == #last and ARGV[17] <= last))
    and (ARGV[18] == '' or ARGV[18] == string.sub(old, from, from + length - 1)) then
    why = 's'
elseif value ~= '' and not old and call('HLEN', values) >= tonumber(ARGV[19]) then
    why = 'q'
end

local function set_time()
    if ARGV[13] ~= '0' then
        local over = string.format('%.0f', now + tonumber(ARGV[13]))
        call('ZADD', times, over, key)
        call('ZADD', KEYS[7], 'LT', over, ARGV[4])
    elseif till then
        call('ZREM', times, key)
    end
end

if why then
    if why == 'x' and ARGV[14] == '1' then
        set_time()
    end
    if is_new then
        call('HSET', meta, 'e', epoch, 'g', ARGV[1])
        if top == 0 then
            call('PEXPIRE', meta, 600000)
        end
    end
    return why .. string.format('%.0f', top) .. ':' .. epoch
end

local offset = '0'
if is_kept then
    offset = string.format('%.0f', top + 1)
    call('XADD', stream, 'MAXLEN', '~', ARGV[5], offset .. '-' .. ARGV[8], 'p', ARGV[9])
    call('PEXPIRE', stream, ARGV[6])
end

local place = at and string.sub(old, from + length, from + length + 7) .. key
if value == '' then
    call('HDEL', values, key)
    call('ZREM', order, place)
    call('ZREM', times, key)
else
    call('HSET', values, key,
        offset .. ':' .. ARGV[17] .. ':' .. #ARGV[18] .. ':' .. ARGV[18] .. value)
    local new = string.sub(value, 1, 8) .. key
    if place ~= new then
        if place then
            call('ZREM', order, place)
        end
        call('ZADD', order, 0, new)
    end
    set_time()
end

-- The numbers are the map's for as long as it has keys; and its end needs to know what is kept.
local kept = ARGV[5] .. ':' .. ARGV[6] .. ':' .. ARGV[7]
if is_new then
    call('HSET', meta, 's', offset, 'e', epoch, 'g', ARGV[1], 'k', kept)
elseif is_kept and m[4] ~= kept then
    call('HSET', meta, 's', offset, 'k', kept)
elseif is_kept then
    call('HSET', meta, 's', offset)
elseif call('HDEL', meta, 'k') == 1 then
    call('PEXPIRE', meta, ARGV[7])
end
if is_kept and value == '' and call('EXISTS', values) == 0 then
    call('PEXPIRE', meta, ARGV[7])
elseif is_kept then
    call('PERSIST', meta)
end

if KEYS[8] then
    call('SET', KEYS[8], offset .. ':' .. epoch, 'PX', ARGV[20])
end
call('PUBLISH', ARGV[3], offset .. ':' .. epoch .. ':' .. ARGV[9])
return 'k' .. offset .. ':' .. epoch
