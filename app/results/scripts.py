"""What the result backend does inside the Redis server: a script runs there as a whole, or not at all."""

from celery.backends.redis import CHORD_PART_RETURN_LUA  # type: ignore[attr-defined]  # the stubs omit it

STORE = """
local FINAL = {SUCCESS = true, FAILURE = true, REVOKED = true}

-- The state of the result that is kept under a key; nil where there is none, or none that can be read.
local function state_of(key)
    local kept = redis.call('GET', key)
    if not kept then
        return nil
    end
    local read, meta = pcall(cjson.decode, kept)
    return read and type(meta) == 'table' and meta.status or nil
end

local function store(key, value, state, expires)
    local kept = state_of(key)
    if kept == 'SUCCESS' or (FINAL[kept] and not FINAL[state]) then
        return 0
    end
    if expires > 0 then
        redis.call('SET', key, value, 'EX', expires)
    else
        redis.call('SET', key, value)
    end
    redis.call('PUBLISH', key, value)
    return 1
end
"""

STORE_RESULT = STORE + "return store(KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]))"
"""Keep a result, and tell who waits for it. KEYS: the result; ARGV: its value, its state, seconds to keep it (0: ever).

A success is never replaced, and another final state only by a final one.
"""

STORE_AND_COUNT = f"""
{STORE}
local function count(KEYS, ARGV)
{CHORD_PART_RETURN_LUA}
end

local part_keys, part_args = {{unpack(KEYS, 2)}}, {{unpack(ARGV, 4)}}
if ARGV[1] ~= '' then
    store(KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]))
end
local answer = count(part_keys, part_args)
-- The same call once more, because its first answer was lost: the claim is this caller's.
if answer[4] == 0 and redis.call('GET', part_keys[6]) == part_args[8] then
    answer[4] = 1
end
return answer
"""
"""The same, then Celery's own count of a chord's part, with its keys and arguments after those of the result.

With an empty value nothing is stored.
"""
