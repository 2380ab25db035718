-- Who owns a thing that one node at a time may have, and of which things a lease was ever given.
-- KEYS: lease, owned
-- ARGV: 'look', 'take' or 'give'; holder; what others are told; ms; of the thing: its id ('': not known yet),
--       generation, changes; '1': it is to be this thing from now on, whatever it was; its lock ('': none)
-- The lease is "HOLDER TOLD"; owned is a hash of id, generation and changes of the thing as its last owner had it, and of
-- lock, "HOLDER LOCK": with which it was had.
-- Returns what has come of it ('free', 'ours', 'others', 'other', 'stale'), and as it was before: holder, what is told,
-- how long it is good, id, generation, changes, the holder's lock.
local call = redis.call
local lease, owned = KEYS[1], KEYS[2]
local what, holder, id = ARGV[1], ARGV[2], ARGV[5]
local held = call('GET', lease)
local known = call('HMGET', owned, 'id', 'generation', 'changes', 'lock')
local by, told, left, lock = '', '', 0, ''
if held then
    by, told = string.match(held, '^(%S*) (.*)$')
    left = call('PTTL', lease)
    local locked_by, locked = string.match(known[4] or '', '^(%S*) (.*)$')
    lock = locked_by == by and locked or ''
end
local result = not held and 'free' or by == holder and 'ours' or 'others'

-- A copy that was made earlier has changed less often, or has seen fewer owners.
local function judge()
    if id == '' or not known[1] or ARGV[8] == '1' then
        return 'ours'
    end
    if known[1] ~= id then
        return 'other'
    end
    local is_behind = tonumber(ARGV[6]) < tonumber(known[2]) or tonumber(ARGV[7]) < tonumber(known[3])
    return is_behind and 'stale' or 'ours'
end

-- One process at a time has a lock: who has the holder's can be sure that the holder has the thing no more.
local function is_left()
    return lock ~= '' and lock == ARGV[9] and known[1] == id
end

if what == 'take' and (result ~= 'others' or is_left()) then
    local was = result
    result = judge()
    if result == 'ours' then
        call('SET', lease, holder .. ' ' .. ARGV[3], 'PX', ARGV[4])
        if id ~= '' then
            call('HSET', owned, 'id', id, 'generation', ARGV[6], 'changes', ARGV[7],
                'lock', holder .. ' ' .. ARGV[9])
        end
    elseif was == 'ours' then
        call('DEL', lease)
    end
elseif what == 'give' and result == 'ours' then
    call('DEL', lease)
    result = 'free'
end
return { result, by, told, string.format('%.0f', left),
    known[1] or '', known[2] or '0', known[3] or '0', lock }
