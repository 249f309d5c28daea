-- KEYS: the event's key. ARGV: the claim, its lease in milliseconds.
-- 0 where the claim is taken, -1 where the event is done, else how long another's claim still lives, in milliseconds.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 0
end
if redis.call('GET', KEYS[1]) == 'done' then
  return -1
end
return math.max(redis.call('PTTL', KEYS[1]), 1)
