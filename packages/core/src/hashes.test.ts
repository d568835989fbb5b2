import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as native from './node/hashes.ts';
import * as portable from './portable-hashes.ts';

describe('hashes without Node', () => {
  it('give the published values', () => {
    // FIPS 180-4's own examples: one block, and two by padding.
    expect(portable.sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(portable.sha256('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')).toBe(
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    );
    expect(portable.crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  it('are those of Node, for bytes of any length and place in their buffer, and for any text', () => {
    const bytes = fc
      .tuple(fc.uint8Array({ maxLength: 300 }), fc.nat(9))
      .map(([all, start]) => all.subarray(Math.min(start, all.length)));
    fc.assert(
      fc.property(bytes, fc.string({ unit: 'binary' }), (data, text) => {
        expect(portable.sha256(data)).toBe(native.sha256(data));
        expect(portable.sha256(text)).toBe(native.sha256(text));
        const half = data.length >> 1;
        const first = portable.crc32(data.subarray(0, half));
        expect(portable.crc32(data.subarray(half), first)).toBe(native.crc32(data));
      }),
    );
  });
});
