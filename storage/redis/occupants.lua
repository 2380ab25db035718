-- A node says that it is there, or goes. Ends the shares of those that are not, and gives the events to the one node that tells them.
-- KEYS: nodes by the end of their lease, those that are gone by when their share ends, what channels count (occupy.lua), events, the
--       number of the last, when any node was heard last, a mark of this set of data, who tells
-- ARGV: node, 'n'ew | 'k'nown | 'x' it goes, who it was before (''), its process, a mark if there is none, what precedes a node in the
--       key of its channels, whom to tell; numbers: lease, how long its share stays if it goes, how long who tells does, after how long
--       of silence Redis must have been away, the last event that is stored (0), how many are wanted, how many channels to end at most
-- Returns the mark, '1' if more shares are to be ended, '1' if it is to tell, events; or nothing: the node is not known.
local call = redis.call
local t = call('TIME')
local us = t[1] * 1000000 + t[2]
local now = math.floor(us / 1000)
local function text(n)
    return string.format('%.0f', n)
end
local function go(node, at)
    call('ZREM', KEYS[1], node)
    call('ZADD', KEYS[2], text(at), node)
end

local node, before, process = ARGV[1], ARGV[3], ARGV[4]
local numbers = {}
for number in string.gmatch(ARGV[8], '%d+') do
    numbers[#numbers + 1] = number
end
local lease, delay, silence = tonumber(numbers[1]), tonumber(numbers[2]), tonumber(numbers[4])
if ARGV[2] == 'x' then
    go(node, now + delay)
    if before ~= '' then
        go(before, now + delay)
    end
    if call('GET', KEYS[8]) == process then
        call('DEL', KEYS[8])
    end
    call('PUBLISH', ARGV[7], 'x')
    return {}
end
if ARGV[2] == 'k' and not call('ZSCORE', KEYS[1], node) then
    return {}
end

-- Nobody was heard: nobody can be blamed for it.
local heard = tonumber(call('GET', KEYS[6]))
if heard and now - heard > silence then
    for _, id in ipairs(call('ZRANGE', KEYS[1], 0, -1)) do
        call('ZADD', KEYS[1], text(now + lease), id)
    end
end
call('SET', KEYS[6], text(now))
call('ZADD', KEYS[1], text(now + lease), node)
if before ~= '' then
    go(before, now)
end
for _, id in ipairs(call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now))) do
    go(id, now)
end
local mark = call('GET', KEYS[7])
if not mark then
    mark = ARGV[5]
    call('SET', KEYS[7], mark)
end

-- The shares of who is gone, some channels at a time.
local number, n = math.max(tonumber(call('GET', KEYS[5])) or 0, us - 1), 0
local room, more = tonumber(numbers[7]), '0'
for _, id in ipairs(call('ZRANGEBYSCORE', KEYS[2], '-inf', text(now))) do
    if room <= 0 then
        more = '1'
        break
    end
    local share = ARGV[6] .. id
    local channels = call('ZRANGE', share, 0, room - 1)
    for _, channel in ipairs(channels) do
        call('ZREM', share, channel)
        local count = tonumber(call('HGET', KEYS[3], channel)) or 0
        if count >= 4 then
            call('HSET', KEYS[3], channel, count - 2)
        else
            call('HDEL', KEYS[3], channel)
            if count == 3 then
                number = number + 1
                n = n + 1
                call('ZADD', KEYS[4], text(number), text(number) .. ':v' .. channel)
            end
        end
    end
    room = room - #channels
    if call('ZCARD', share) == 0 then
        call('ZREM', KEYS[2], id)
    else
        more = '1'
    end
end
if n > 0 then
    call('SET', KEYS[5], text(number))
    call('PUBLISH', ARGV[7], '')
end

if numbers[5] ~= '0' then
    call('ZREMRANGEBYSCORE', KEYS[4], '-inf', numbers[5])
end
local teller = call('GET', KEYS[8])
if teller and teller ~= process then
    return { mark, more, '0' }
end
call('SET', KEYS[8], process, 'PX', numbers[3])
local reply = { mark, more, '1' }
if tonumber(numbers[6]) > 0 then
    for i, event in ipairs(call('ZRANGE', KEYS[4], 0, tonumber(numbers[6]) - 1)) do
        reply[i + 3] = event
    end
end
return reply
