import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16 } from './half-floats.ts';

const round = (value: number): number =>
  bfloat16ToFloat32(float32ToBfloat16(Float32Array.of(value)))[0] as number;

describe('bfloat16', () => {
  it('has the bits of the upper half of a float32', () => {
    // 1 = 0x3f800000, -2 = 0xc0000000, pi = 0x40490fdb -> 0x4049 (the rest, 0x0fdb, is below half)
    expect([...float32ToBfloat16(Float32Array.of(1, -2, Math.PI))]).toEqual([0x3f80, 0xc000, 0x4049]);
    expect([...bfloat16ToFloat32(Uint16Array.of(0x3f80, 0xc000, 0x4049))]).toEqual([1, -2, 3.140625]);
  });

  it('rounds to nearest, ties to even', () => {
    // Steps at 1 are 2^-7: 1 + 2^-8 lies half way between 1 (even) and 1 + 2^-7; 1 + 3 2^-8 between that and 1 + 2^-6 (even)
    expect(round(1 + 2 ** -8)).toBe(1);
    expect(round(1 + 3 * 2 ** -8)).toBe(1 + 2 ** -6);
    expect(round(1 + 2 ** -8 + 2 ** -20)).toBe(1 + 2 ** -7);
    expect(round(3.4e38)).toBe(Infinity);
  });

  it('keeps NaN, infinities and signed zero', () => {
    const odd = new Float32Array(Uint32Array.of(0x7fffffff, 0xff800001, 0x7f800000, 0x80000000).buffer);
    const [a, b, c, d] = bfloat16ToFloat32(float32ToBfloat16(odd));
    expect([a, b, c, d]).toEqual([NaN, NaN, Infinity, -0]);
  });

  it('changes nothing that already fits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), (bits) => {
        const [back] = float32ToBfloat16(bfloat16ToFloat32(Uint16Array.of(bits)));
        const nan = (bits & 0x7fff) > 0x7f80;
        return nan ? ((back as number) & 0x7fff) > 0x7f80 : back === bits;
      }),
    );
  });
});

describe('float16', () => {
  it('widens normal, subnormal and special values', () => {
    // 0x3c00 = 1; 0xc100 = -2.5; 0x7bff = 65504; 0x0400 = 2^-14; 0x0001 = 2^-24; 0x3555 = (1024 + 341) 2^-12
    const bits = Uint16Array.of(
      0x3c00,
      0xc100,
      0x7bff,
      0x0400,
      0x0001,
      0x3555,
      0x7c00,
      0xfc00,
      0x8000,
      0x7e00,
    );
    expect([...float16ToFloat32(bits)]).toEqual([
      1,
      -2.5,
      65504,
      2 ** -14,
      2 ** -24,
      0.333251953125,
      Infinity,
      -Infinity,
      -0,
      NaN,
    ]);
  });
});
