-- KEYS: the command's key. ARGV: the claim, its lease in milliseconds.
-- Nil where the claim is taken, else what is there.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return false
end
return redis.call('GET', KEYS[1])
