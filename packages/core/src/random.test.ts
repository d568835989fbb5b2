import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom, hash32, hashText, restoreRandom } from './random.ts';

describe('random', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    const a = createRandom(1);
    const b = createRandom(1);
    const c = createRandom(2);
    const first = Array.from({ length: 8 }, () => a.uint32());
    expect(Array.from({ length: 8 }, () => b.uint32())).toEqual(first);
    expect(Array.from({ length: 8 }, () => c.uint32())).not.toEqual(first);
  });

  it('matches the xoshiro128** recurrence computed with big integers', () => {
    // Twin in BigInt from the generator's published recurrence; catches every slip of 32-bit signedness.
    const random = createRandom(123);
    const mask = 0xffffffffn;
    const rotl = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (32n - k))) & mask;
    const s = random.state().words.map(BigInt);
    for (let i = 0; i < 1000; i += 1) {
      const [s0 = 0n, s1 = 0n, s2 = 0n, s3 = 0n] = s;
      const expected = (rotl((s1 * 5n) & mask, 7n) * 9n) & mask;
      const t = (s1 << 9n) & mask;
      let n2 = s2 ^ s0;
      let n3 = s3 ^ s1;
      const n1 = s1 ^ n2;
      const n0 = s0 ^ n3;
      n2 ^= t;
      n3 = rotl(n3, 11n);
      s.splice(0, 4, n0, n1, n2, n3);
      expect(random.uint32()).toBe(Number(expected));
    }
  });

  it('forks streams that depend on the seed and the label only', () => {
    const a = createRandom(7);
    const early = a.fork('weights').next();
    a.next();
    a.normal();
    expect(a.fork('weights').next()).toBe(early);
    expect(a.fork('biases').next()).not.toBe(early);
    expect(a.fork(3).next()).not.toBe(a.fork('3').next());
    expect(createRandom(8).fork('weights').next()).not.toBe(early);
  });

  it('goes on from a saved state, the pending normal included', () => {
    const a = createRandom('run');
    a.normal();
    const b = restoreRandom('run', JSON.parse(JSON.stringify(a.state())));
    expect([b.normal(), b.next(), b.fork('x').next()]).toEqual([a.normal(), a.next(), a.fork('x').next()]);
  });

  it('keeps integers in range and uniform, and normals standard', () => {
    const random = createRandom(5);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i += 1) {
      const k = random.integer(7);
      counts[k] = (counts[k] ?? 0) + 1;
    }
    // 10,000 expected per cell, standard deviation sqrt(70000 * 1/7 * 6/7) = 92.6: five of them is 463.
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(463);
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < 100_000; i += 1) {
      const z = random.normal();
      sum += z;
      squares += z * z;
    }
    // Mean of 1e5 normals has deviation 0.0032, their mean square 0.0045.
    expect(Math.abs(sum / 1e5)).toBeLessThan(0.016);
    expect(Math.abs(squares / 1e5 - 1)).toBeLessThan(0.023);
  });

  it('draws in [0, 1) for every seed', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const value = createRandom(seed).next();
        return value >= 0 && value < 1;
      }),
    );
  });

  it('hashes text as FNV-1a and separates numbers beyond 32 bits', () => {
    expect(hashText('')).toBe(2166136261);
    expect(hashText('a')).toBe(0xe40c292c); // published FNV-1a test vector
    expect(hash32(1)).not.toBe(hash32(1 + 2 ** 32));
  });
});
