/**
 * CRC-32 and SHA-256 in plain JavaScript: what `#hashes` is where there is no Node, and the twins of Node's own in tests.
 */

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

/** CRC-32 (IEEE 802.3, the one of zlib and PNG) of bytes; `previous` continues a running checksum. */
export const crc32 = (bytes: Uint8Array, previous = 0): number => {
  let c = ~previous >>> 0;
  for (let i = 0; i < bytes.length; i += 1) c = (crcTable[(c ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (c >>> 8);
  return ~c >>> 0;
};

/** The first 32 bits of the fractional part of the `power`-th root of each prime, as FIPS 180-4 defines its constants. */
const rootsOfPrimes = (count: number, power: number): Uint32Array => {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n += 1) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return Uint32Array.from(primes, (prime) => {
    const root = prime ** (1 / power);
    return (root - Math.floor(root)) * 2 ** 32;
  });
};

const ROUNDS = rootsOfPrimes(64, 3);
const START = rootsOfPrimes(8, 2);
const BLOCK = 64;

const turn = (x: number, bits: number): number => (x >>> bits) | (x << (32 - bits));

/** Works one block of 64 bytes into the state. */
const compress = (state: Uint32Array, words: Uint32Array, block: DataView): void => {
  for (let i = 0; i < 16; i += 1) words[i] = block.getUint32(i * 4);
  for (let i = 16; i < 64; i += 1) {
    const a = words[i - 15] as number;
    const b = words[i - 2] as number;
    const low = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3);
    const high = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
    words[i] = (words[i - 16] as number) + low + (words[i - 7] as number) + high;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  for (let i = 0; i < 64; i += 1) {
    const first =
      h +
      (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +
      ((e & f) ^ (~e & g)) +
      (ROUNDS[i] as number) +
      (words[i] as number);
    const second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    [h, g, f, e] = [g, f, e, (d + first) | 0];
    [d, c, b, a] = [c, b, a, (first + second) | 0];
  }
  // Stores into unsigned 32 bits keep the sums modulo 2 ** 32.
  [a, b, c, d, e, f, g, h].forEach((value, i) => (state[i] = (state[i] as number) + value));
};

/** SHA-256 (FIPS 180-4) of bytes or of a text's UTF-8, as hex. */
export const sha256 = (data: string | Uint8Array): string => {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  // The end: the bytes behind the last whole block, a 1 bit, zeros, and the length in bits as 64 bits.
  const whole = bytes.length - (bytes.length % BLOCK);
  const rest = bytes.length - whole;
  const end = new Uint8Array(rest + 9 > BLOCK ? 2 * BLOCK : BLOCK);
  end.set(bytes.subarray(whole));
  end[rest] = 0x80;
  new DataView(end.buffer).setBigUint64(end.length - 8, BigInt(bytes.length) * 8n);
  const state = Uint32Array.from(START);
  const words = new Uint32Array(64);
  for (const part of [bytes.subarray(0, whole), end]) {
    for (let at = 0; at < part.length; at += BLOCK) {
      compress(state, words, new DataView(part.buffer, part.byteOffset + at, BLOCK));
    }
  }
  return Array.from(state, (word) => word.toString(16).padStart(8, '0')).join('');
};
