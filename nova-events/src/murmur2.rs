/// The hash by which Kafka clients choose a key's partition: 32-bit MurmurHash2 with the seed that
/// the JVM client uses.
///
/// `murmur2(key) & 0x7fff_ffff` modulo the number of partitions is the partition of `key` for
/// every client with the default partitioner, and for librdkafka's `murmur2_random`.
///
/// ```
/// let partition = (nova_events::murmur2(b"kafka") & 0x7fff_ffff) % 6;
/// assert_eq!(partition, 4);
/// ```
#[must_use]
pub fn murmur2(bytes: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // The JVM's array length is an i32; keys longer than that cannot exist there.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the algorithm takes 32 bits"
    )]
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::murmur2;

    #[test]
    fn the_hash_is_that_of_the_kafka_clients() {
        // The vectors of Apache Kafka's own test of its hash.
        let vectors: [(&[u8], i32); 8] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
            // And two of librdkafka's.
            (b"kafka", 0xd067_cf64_u32.cast_signed()),
            (b"", 0x106e_08d9),
        ];
        for (input, hash) in vectors {
            assert_eq!(murmur2(input), hash, "{:?}", String::from_utf8_lossy(input));
        }
    }
}
