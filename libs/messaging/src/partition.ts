const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;

/** MurmurHash2, 32 bit, with the seed of the Java Kafka clients. */
const murmur2 = (bytes: Buffer): number => {
  let hash = SEED ^ bytes.length;
  const words = bytes.length >> 2;
  for (let word = 0; word < words; word += 1) {
    let k = Math.imul(bytes.readInt32LE(word * 4), MULTIPLIER);
    k ^= k >>> 24;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(k, MULTIPLIER);
  }
  const tail = bytes.subarray(words * 4);
  for (let index = tail.length - 1; index >= 0; index -= 1) hash ^= (tail[index] ?? 0) << (8 * index);
  if (tail.length > 0) hash = Math.imul(hash, MULTIPLIER);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MULTIPLIER);
  return hash ^ (hash >>> 15);
};

/**
 * The partition of a key, on both transports and for ever: murmur2 of its UTF-8 bytes, positive, modulo the topic's fixed
 * number of partitions. This is the default of the Java clients, so that any other producer of a topic (agents write to
 * intake with clients of their own) sends a key to the same place.
 */
export const partitionOf = (key: string, partitions: number): number => (murmur2(Buffer.from(key, 'utf8')) & 0x7fffffff) % partitions;
