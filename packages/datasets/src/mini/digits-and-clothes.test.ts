import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placePackage } from '../../test/support/placed-package.ts';
import { readItems } from '../../test/support/read-items.ts';
import { loadFashion } from './fashion-mnist.ts';
import { loadHandwrittenDigits, loadMnistIdx, parseIdx } from './mnist-idx.ts';
import { createMovingDigits, digitFrame, motionNames } from './moving-digits.ts';
import { fashionMnist } from './sources/fashion-mnist.ts';
import { mnistData } from './sources/mnist-data.ts';

const AREA = 28 * 28;

/** An idx file of bytes: 0, 0, type 8, number of axes, lengths, numbers. */
const idx = (shape: readonly number[], data: Uint8Array): Buffer => {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head[2] = 8;
  head[3] = shape.length;
  shape.forEach((length, axis) => head.writeUInt32BE(length, 4 + 4 * axis));
  return Buffer.concat([head, data]);
};
const image = (value: number): Uint8Array => new Uint8Array(AREA).fill(value);

let root = '';
const packages = (): { cacheDirectory: string } => ({ cacheDirectory: root });
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-digits-'));
  // 40 training digits of one value each, the last two of them in the test files, too.
  const train = Array.from({ length: 40 }, (_, i) => image(i));
  const test = [image(200), image(38), image(39)];
  await placePackage(root, mnistData, {
    'data/train-images-idx3-ubyte': idx([40, 28, 28], Buffer.concat(train)),
    'data/train-labels-idx1-ubyte': idx(
      [40],
      Uint8Array.from(train, (_, i) => i % 10),
    ),
    'data/t10k-images-idx3-ubyte': idx([3, 28, 28], Buffer.concat(test)),
    'data/t10k-labels-idx1-ubyte': idx([3], Uint8Array.of(7, 8, 9)),
  });
  // As the package has it: rows of 784 numbers by class, among them empty ones, and two that are equal.
  const clothes = Array.from({ length: 10 }, (_, label): readonly (readonly number[])[] => [
    ...Array.from({ length: 30 }, (_, i) =>
      Array.from(image(label * 30 + i > 255 ? i : label * 30 + i).fill(label, 0, 9)),
    ),
    ...(label === 0 ? [[], []] : []),
    ...(label === 3 ? [Array.from(image(90).fill(3, 0, 9))] : []),
  ]);
  await placePackage(
    root,
    fashionMnist,
    Object.fromEntries(clothes.map((data, label) => [`src/clothes/${label}.json`, JSON.stringify({ data })])),
  );
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('all digits of MNIST', () => {
  it('keep their official sides, and training lacks what the test side shows', async () => {
    const { splits, faults } = await readItems(await loadMnistIdx({ validationPercent: 20 }, packages()));
    expect(splits['test']?.map(({ id, label }) => [id, label])).toEqual([
      ['test/00000', 7],
      ['test/00001', 8],
      ['test/00002', 9],
    ]);
    expect(faults.map(({ id, code }) => [id, code])).toEqual([
      ['train/00038', 'shared-with-test'],
      ['train/00039', 'shared-with-test'],
    ]);
    const [train = [], validation = []] = [splits['train'], splits['validation']];
    expect(train.length + validation.length).toBe(38);
    expect(validation.length).toBeGreaterThan(0);
    expect([...train, ...validation].every(({ id }) => id.startsWith('train/'))).toBe(true);
  });

  it('are refused in other forms', () => {
    expect(() => parseIdx(Buffer.from([0, 0, 8, 1, 0, 0, 0, 3, 1, 2]), 'x')).toThrow(
      'x: expected an idx file of bytes with 3 numbers, got 10 bytes',
    );
    expect(() => parseIdx(Buffer.from([0, 0]), 'x')).toThrow('expected an idx file of bytes');
  });
});

describe('Fashion-MNIST', () => {
  it('has no empty row and no image twice, and equal pixels are on one side', async () => {
    const { splits, faults } = await readItems(await loadFashion({ testPercent: 30 }, packages()));
    expect(faults.map(({ id, code }) => `${id} ${code}`)).toEqual([
      't-shirt/0030 empty-row',
      't-shirt/0031 empty-row',
      'dress/0030 duplicate',
    ]);
    const key = ({ image: content }: { image?: unknown }): string =>
      Buffer.from((content as { pixels: Uint8Array }).pixels).toString('latin1');
    const all = Object.values(splits).flat();
    expect(new Set(all.map(key)).size).toBe(all.length);
    expect(all).toHaveLength(300);
    expect(Object.keys(splits).sort()).toEqual(['test', 'train', 'validation']);
  });
});

describe('moving digits', () => {
  it('keep the side of their digit', async () => {
    const digits = await loadHandwrittenDigits({ validationPercent: 20 }, packages());
    const options = { train: 16, validation: 8, test: 8, frames: 4 };
    const { splits } = await readItems(createMovingDigits(digits, options));
    const sides = new Map(digits.map(({ id, side }) => [id, side]));
    for (const [split, samples] of Object.entries(splits)) {
      expect(samples.every(({ extra }) => sides.get(extra?.['digit'] ?? '') === split)).toBe(true);
    }
    const { splits: motions } = await readItems(createMovingDigits(digits, { ...options, label: 'motion' }));
    expect(motions['train']?.slice(0, 8).map(({ label }) => motionNames[label ?? -1])).toEqual(motionNames);
    // The same clips, told of otherwise.
    expect(motions['train']?.map(({ extra }) => extra)).toEqual(splits['train']?.map(({ extra }) => extra));
  });

  it('refuse a side without digits', async () => {
    const digits = (await loadHandwrittenDigits({}, packages())).filter(({ side }) => side === 'train');
    expect(() => createMovingDigits(digits)).toThrow(
      'moving digits: expected digits of the side validation, got none; set it to 0',
    );
  });

  it('move their middle by the step of each frame', () => {
    // One bright pixel in the middle of the digit: at (14, 14), half a pixel beside the middle 13.5.
    const digit = new Uint8Array(AREA);
    digit[14 * 28 + 14] = 200;
    const motion = { x: 20.5, y: 30.5, dx: 2, dy: -1, angle: 0, turn: 0, scale: 1 };
    for (const frame of [0, 3]) {
      const pixels = digitFrame(digit, motion, frame);
      const at = pixels.indexOf(200);
      // x + 14 - 13.5 = 21 in the first frame, 27 in the fourth; y 31 and 28.
      expect([at % 56, Math.floor(at / 56)]).toEqual([21 + 2 * frame, 31 - frame]);
      expect(pixels.reduce((sum, value) => sum + value)).toBe(200);
    }
  });

  it('stay inside of the frame', () => {
    const digits = [{ id: 'train/0', side: 'train' as const, label: 0, pixels: image(255) }];
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1000 }),
        fc.integer({ min: 1, max: 16 }),
        async (seed, frames) => {
          const set = createMovingDigits(digits, { train: 8, validation: 0, test: 0, seed, frames });
          const { splits } = await readItems(set);
          for (const { contents } of splits['train'] ?? []) {
            const clip = contents?.['clip'];
            if (clip?.kind !== 'frames') throw new Error('expected frames');
            const content = await clip.frame(frames - 1);
            // A digit all white: its middle part is shown, whatever the turn.
            const shown =
              content.kind === 'pixels' ? content.pixels.filter((value) => value === 255).length : 0;
            expect(shown).toBeGreaterThan(0.5 * AREA * 0.49);
          }
        },
      ),
      { numRuns: 5 },
    );
  });
});
