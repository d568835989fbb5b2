/** Damage to plain bytes: bits, numbers, pieces, encodings. Each is a pure function of its random stream. */
import { gzipSync } from 'node:zlib';
import type { Random } from '@polygate/core';
import type { Mutator } from './target.ts';

/** Longest input that is made; what is repeated stays below it. */
const MAX_BYTES = 1 << 18;

/** Whole numbers at the edges of what formats count with. */
export const edgeNumbers: readonly number[] = [
  0,
  1,
  2,
  7,
  8,
  127,
  128,
  255,
  256,
  511,
  512,
  32_767,
  65_535,
  65_536,
  0x7fffffff,
  0x80000000,
  0xffffffff,
  0xfffffff0,
  2 ** 33,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 62,
];

export const pick = <T>(random: Random, list: readonly T[]): T => list[random.integer(list.length)] as T;

const join = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts).subarray(0, MAX_BYTES);

/** A stretch of the bytes, short more often than long. */
const stretch = (bytes: Uint8Array, random: Random): readonly [number, number] => {
  const from = random.integer(bytes.length + 1);
  const most = Math.min(bytes.length - from, pick(random, [1, 4, 16, 64, 512, MAX_BYTES]));
  return [from, from + random.integer(most + 1)];
};

const changed = (bytes: Uint8Array, change: (copy: Buffer) => void): Uint8Array => {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) change(copy);
  return copy;
};

const flipBit: Mutator = (bytes, random) =>
  changed(bytes, (copy) => {
    const at = random.integer(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << random.integer(8));
  });

const setByte: Mutator = (bytes, random) =>
  changed(bytes, (copy) => {
    copy[random.integer(copy.length)] = pick(random, [0, 9, 10, 13, 32, 34, 44, 92, 127, 128, 192, 255]);
  });

/** A number of 2, 4 or 8 bytes in either order. */
const setNumber: Mutator = (bytes, random) =>
  changed(bytes, (copy) => {
    const width = pick(random, [2, 4, 8]);
    if (copy.length < width) return;
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(
      BigInt.asUintN(64, BigInt(pick(random, edgeNumbers)) - BigInt(random.integer(2))),
    );
    const part = number.subarray(0, width);
    const at = random.integer(copy.length - width + 1);
    copy.set(random.integer(2) === 0 ? part : Buffer.from(part).reverse(), at);
  });

const truncate: Mutator = (bytes, random) => bytes.slice(0, random.integer(bytes.length + 1));

const remove: Mutator = (bytes, random) => {
  const [from, to] = stretch(bytes, random);
  return join(bytes.subarray(0, from), bytes.subarray(to));
};

const duplicate: Mutator = (bytes, random) => {
  const [from, to] = stretch(bytes, random);
  const piece = bytes.subarray(from, to);
  const copies = pick(random, [1, 2, 10, 1000]);
  const most = Math.max(1, Math.min(copies, Math.floor(MAX_BYTES / Math.max(1, piece.length))));
  return join(bytes.subarray(0, to), ...Array.from({ length: most }, () => piece), bytes.subarray(to));
};

const exchange: Mutator = (bytes, random) => {
  const [a, b] = stretch(bytes, random);
  const [c, d] = stretch(bytes.subarray(b), random);
  return join(
    bytes.subarray(0, a),
    bytes.subarray(b + c, b + d),
    bytes.subarray(b, b + c),
    bytes.subarray(a, b),
    bytes.subarray(b + d),
  );
};

const splice: Mutator = (bytes, random, others) => {
  const other = others.length > 0 ? pick(random, others) : bytes;
  return join(
    bytes.subarray(0, random.integer(bytes.length + 1)),
    other.subarray(random.integer(other.length + 1)),
  );
};

const noise: Mutator = (bytes, random) => {
  const [from, to] = stretch(bytes, random);
  const made = Uint8Array.from({ length: random.integer(64) }, () => random.integer(256));
  return join(bytes.subarray(0, from), made, bytes.subarray(to));
};

const recode: Mutator = (bytes, random) => {
  const text = Buffer.from(bytes).toString('latin1');
  switch (random.integer(6)) {
    case 0:
      return join(Buffer.from('\uFEFF'), bytes);
    case 1:
      return join(Buffer.from('\uFEFF', 'utf16le'), Buffer.from(text, 'utf16le'));
    case 2:
      return join(Buffer.from(text, 'utf16le').swap16());
    case 3:
      return gzipSync(bytes);
    case 4:
      return Buffer.from(text.replaceAll('\n', pick(random, ['\r\n', '\r', '\0', '\u2028'])));
    default:
      return join(bytes, Buffer.alloc(pick(random, [1, 512, 4096])));
  }
};

/** All of them. */
export const byteMutations: readonly Mutator[] = [
  flipBit,
  flipBit,
  setByte,
  setNumber,
  setNumber,
  truncate,
  remove,
  duplicate,
  exchange,
  splice,
  noise,
  recode,
];
