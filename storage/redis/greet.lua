-- Finds out whether this process is the one that wrote the data set last. If it is not, what was
-- acknowledged may be missing, and all that is here belongs to a new generation.
-- KEYS: run, generation
-- ARGV: which process it is, and whose data if it was a replica; a generation if one begins; '1': they go
--       on however it was restarted
-- Returns the generation.
local generation, run = redis.call('GET', KEYS[2]), redis.call('GET', KEYS[1])
if generation and run == ARGV[1] then
    return generation
end
-- It may forget whose data it had been given; it is the same all the same.
if generation and run and not string.find(ARGV[1], '/', 1, true)
    and string.sub(run, 1, #ARGV[1] + 1) == ARGV[1] .. '/' then
    redis.call('SET', KEYS[1], ARGV[1])
    return generation
end
if not generation or ARGV[3] ~= '1' then
    generation = ARGV[2]
    redis.call('SET', KEYS[2], generation)
end
redis.call('SET', KEYS[1], ARGV[1])
return generation
