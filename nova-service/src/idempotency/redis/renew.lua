-- KEYS: the command's key. ARGV: the claim, its lease in milliseconds.
-- A claim that ran out is taken again, unless somebody else has taken the key.
local found = redis.call('GET', KEYS[1])
if found and found ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
