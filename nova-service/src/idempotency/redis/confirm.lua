-- KEYS: the command's key. ARGV: the claim, the answer, its retention in milliseconds.
-- Where the claim ran out and nobody has taken the key since, the answer counts too.
local found = redis.call('GET', KEYS[1])
if found and found ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
