-- Numbers, keeps and distributes a publication, in one step.
-- KEYS: meta, stream, generation[, what the idempotency key was answered with]
-- ARGV: generation as the node knows it, epoch if one begins, channel, history size, its ttl,
--       ttl of meta, time, publication, version ('0': none), its epoch[, ttl of the key]
-- Returns 'k' kept | 'd' a duplicate | 's' of a version not newer, and OFFSET:EPOCH.
-- What may be refused (XADD: out of memory, read-only, foreign keys) comes before what is left
-- behind, so that no offset is burnt.
local call = redis.call
if call('GET', KEYS[3]) ~= ARGV[1] then
    return redis.error_reply('STALE another generation')
end
if KEYS[4] then
    local first = call('GET', KEYS[4])
    if first then
        return 'd' .. first
    end
end

local meta, stream = KEYS[1], KEYS[2]
local m = call('HMGET', meta, 'e', 's', 'g', 'v', 'w')
local epoch, top, is_new = m[1], tonumber(m[2]) or 0, m[3] ~= ARGV[1]
if is_new then
    epoch = ARGV[2]
    -- Whose meta was evicted. Asked for first: once something is written, even in vain, Redis
    -- thinks it too late to be out of memory.
    if not m[1] and call('EXISTS', stream) == 1 then
        call('DEL', stream)
    end
end

local version, last = ARGV[9], m[4]
if version ~= '0' and last and (#version < #last or (#version == #last and version <= last))
    and (ARGV[10] == '' or ARGV[10] == m[5]) then
    if is_new then
        call('HSET', meta, 'e', epoch, 'g', ARGV[1])
    end
    return 's' .. (m[2] or '0') .. ':' .. epoch
end

local offset = string.format('%.0f', top + 1)
local at = offset .. ':' .. epoch
call('XADD', stream, 'MAXLEN', '~', ARGV[4], offset .. '-' .. ARGV[7], 'p', ARGV[8])
if is_new then
    call('HSET', meta, 's', offset, 'e', epoch, 'g', ARGV[1])
else
    call('HSET', meta, 's', offset)
end
if version ~= '0' then
    call('HSET', meta, 'v', version, 'w', ARGV[10])
end
call('PEXPIRE', stream, ARGV[5])
call('PEXPIRE', meta, ARGV[6])
if KEYS[4] then
    call('SET', KEYS[4], at, 'PX', ARGV[11])
end
call('PUBLISH', ARGV[3], at .. ':' .. ARGV[8])
return 'k' .. at
