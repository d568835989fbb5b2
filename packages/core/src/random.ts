/**
 * Seeded random streams. A stream is xoshiro128** seeded by splitmix-style hashing of (seed, labels), so
 * `fork('init').fork('blocks.0.qkv')` is independent of the order in which its siblings are used.
 */
export interface RandomState {
  readonly words: readonly [number, number, number, number];
  /** Second value of the last Box-Muller pair, if it is still unused. */
  readonly spare: number | null;
}

export interface Random {
  /** Uniform 32-bit unsigned integer. */
  uint32(): number;
  /** Uniform in [0, 1) with 53 random bits. */
  next(): number;
  /** Uniform integer in [0, bound), without modulo bias. */
  integer(bound: number): number;
  /** Standard normal. */
  normal(): number;
  /** A stream of its own, a pure function of this stream's seed (not of its position) and the label. */
  fork(label: string | number): Random;
  state(): RandomState;
}

/** 32-bit hash of integers (murmur3 finaliser over a running mix); the same on every platform. */
export const hash32 = (...values: readonly number[]): number => {
  let h = 0x9e3779b9;
  for (const value of values) {
    const low = value >>> 0;
    const high = Math.floor(value / 4294967296) >>> 0;
    for (const part of [low, high]) {
      let k = Math.imul(part, 0xcc9e2d51);
      k = (k << 15) | (k >>> 17);
      h ^= Math.imul(k, 0x1b873593);
      h = (h << 13) | (h >>> 19);
      h = (Math.imul(h, 5) + 0xe6546b64) | 0;
    }
  }
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

/** 32-bit FNV-1a hash of a text's UTF-16 units. */
export const hashText = (text: string): number => {
  let h = 2166136261;
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h >>> 0;
};

const rotateLeft = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0;

class Xoshiro128 implements Random {
  readonly #key: number;
  #words: [number, number, number, number];
  #spare: number | null;

  constructor(key: number, state?: RandomState) {
    this.#key = key;
    this.#words = state
      ? [...state.words]
      : [hash32(key, 1), hash32(key, 2), hash32(key, 3), hash32(key, 4) | 1];
    this.#spare = state?.spare ?? null;
  }

  uint32(): number {
    const s = this.#words;
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5) >>> 0, 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] = (s[2] ^ s[0]) >>> 0;
    s[3] = (s[3] ^ s[1]) >>> 0;
    s[1] = (s[1] ^ s[2]) >>> 0;
    s[0] = (s[0] ^ s[3]) >>> 0;
    s[2] = (s[2] ^ t) >>> 0;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  next(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  integer(bound: number): number {
    if (bound > 4294967296) return Math.floor(this.next() * bound);
    const limit = 4294967296 - (4294967296 % bound);
    let draw = this.uint32();
    while (draw >= limit) draw = this.uint32();
    return draw % bound;
  }

  normal(): number {
    if (this.#spare !== null) {
      const value = this.#spare;
      this.#spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    const angle = 2 * Math.PI * this.next();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  fork(label: string | number): Random {
    const tag = typeof label === 'number' ? hash32(7, label) : hashText(label);
    return new Xoshiro128(hash32(this.#key, tag, typeof label === 'number' ? 1 : 2));
  }

  state(): RandomState {
    return { words: [...this.#words], spare: this.#spare };
  }
}

/** A random stream from a seed: the same seed gives the same numbers on every platform. */
export const createRandom = (seed: number | string): Random =>
  new Xoshiro128(typeof seed === 'number' ? hash32(seed) : hashText(seed));

/** A stream that goes on where `state` was taken; its forks are those of `seed`. */
export const restoreRandom = (seed: number | string, state: RandomState): Random =>
  new Xoshiro128(typeof seed === 'number' ? hash32(seed) : hashText(seed), state);
