-- Who owns a thing that one node at a time may have, and of which things a lease was ever given.
-- KEYS: lease, owned
-- ARGV: 'look', 'take' or 'give'; holder; what others are told; ms; of the thing: its id ('': not known yet),
--       generation, changes; '1': it is to be this thing from now on, whatever it was
-- The lease is "HOLDER TOLD"; owned is a hash of id, generation and changes of the thing as its last owner had it.
-- Returns what has come of it ('free', 'ours', 'others', 'other', 'stale'), and as it was before: holder, what is told,
-- how long it is good, id, generation, changes.
local call = redis.call
local lease, owned = KEYS[1], KEYS[2]
local what, holder, id = ARGV[1], ARGV[2], ARGV[5]
local held = call('GET', lease)
local known = call('HMGET', owned, 'id', 'generation', 'changes')
local by, told, left = '', '', 0
if held then
    by, told = string.match(held, '^(%S*) (.*)$')
    left = call('PTTL', lease)
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

if what == 'take' and result ~= 'others' then
    local was = result
    result = judge()
    if result == 'ours' then
        call('SET', lease, holder .. ' ' .. ARGV[3], 'PX', ARGV[4])
        if id ~= '' then
            call('HSET', owned, 'id', id, 'generation', ARGV[6], 'changes', ARGV[7])
        end
    elseif was == 'ours' then
        call('DEL', lease)
    end
elseif what == 'give' and result == 'ours' then
    call('DEL', lease)
    result = 'free'
end
return { result, by, told, string.format('%.0f', left),
    known[1] or '', known[2] or '0', known[3] or '0' }
