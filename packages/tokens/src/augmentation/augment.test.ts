import { createBatchRandom, createRandom, rowRandom, sharedRandom, type Random } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { augmentPixels } from './affine.ts';
import { augmentBatch, mixesRows, type PixelBatch } from './augment.ts';
import { presets } from './presets.ts';
import { registerAugmentation } from './registry.ts';
import { augmentationSchema, type Augmentation } from './steps.ts';

const SIDE = 12;
const batchOf = (size: number, frames = 1, channels = 3): PixelBatch => {
  const random = createRandom(5);
  const length = size * frames * SIDE * SIDE * channels;
  const pixels = Uint8Array.from({ length }, () => random.integer(256));
  return { pixels, size, frames, height: SIDE, width: SIDE, channels };
};
const change = (batch: PixelBatch, augmentation: Augmentation, random: Random = createRandom(9)) =>
  augmentBatch(batch, {
    augmentation,
    rowRandom: (row) => rowRandom(random, row, 'augmentation'),
    stepRandom: sharedRandom(random).fork('augmentation'),
  });
const kinds = ['random-resized-crop', 'random-crop', 'flip', 'rand-augment', 'random-erasing', 'mix'];
const jitter = { kind: 'colour-jitter', brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 };
const steps = [...kinds.map((kind) => ({ kind })), jitter, { kind: 'affine', shift: 0.2 }];

describe('augmentBatch', () => {
  it('draws for settings of the affine step alone as it always did: from the stream of the row', () => {
    const batch = batchOf(3);
    const settings = { flip: 0.5, shift: 0.2, zoom: 0.3, turn: 20, tone: 0.3 };
    const { pixels } = change(batch, settings);
    const area = pixels.length / 3;
    for (let row = 0; row < 3; row += 1) {
      const random = rowRandom(createRandom(9), row, 'augmentation');
      const image = batch.pixels.subarray(row * area, (row + 1) * area);
      expect(pixels.subarray(row * area, (row + 1) * area)).toEqual(
        augmentPixels(image, { height: SIDE, width: SIDE, channels: 3 }, { ...settings, random }),
      );
    }
  });

  it('is a function of the streams, and never writes into its input', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(steps), fc.nat(), (augmentation, seed) => {
        const batch = batchOf(2);
        const before = Uint8Array.from(batch.pixels);
        const first = change(batch, augmentation, createRandom(seed));
        expect(change(batch, augmentation, createRandom(seed))).toEqual(first);
        expect(first.pixels).toHaveLength(before.length);
        expect(batch.pixels).toEqual(before);
      }),
      { numRuns: 25 },
    );
  });

  it.each(steps.map((each) => [each.kind, each] as const))('%s changes something', (_, each) => {
    const batch = batchOf(8);
    expect(change(batch, [each, { kind: 'affine' }]).pixels).not.toEqual(batch.pixels);
  });

  it('gives parts of a batch what it gives the whole, rows mixed by pairs included', () => {
    const whole = batchOf(8);
    const streams = (first: number) =>
      createBatchRandom({ samples: createRandom(1), step: createRandom(2), first: 40 + first });
    const all = change(whole, presets['classification-mixed'], streams(0));
    const half = whole.pixels.length / 2;
    const parts = [0, 1].map((part) =>
      change(
        { ...whole, size: 4, pixels: whole.pixels.subarray(part * half, (part + 1) * half) },
        presets['classification-mixed'],
        streams(4 * part),
      ),
    );
    expect(Uint8Array.of(...parts.flatMap(({ pixels }) => [...pixels]))).toEqual(all.pixels);
    expect(parts.flatMap(({ mixing }) => [...(mixing?.shares ?? [])])).toEqual([
      ...(all.mixing?.shares ?? []),
    ]);
  });

  it('changes the frames of a clip alike', () => {
    const { pixels } = batchOf(2);
    const area = pixels.length / 2;
    // Two clips of three equal frames each.
    const repeated = Uint8Array.from(
      [0, 0, 0, 1, 1, 1].flatMap((row) => [...pixels.subarray(row * area, (row + 1) * area)]),
    );
    const clips = { ...batchOf(2, 3), pixels: repeated };
    const changed = change(clips, [
      ...presets.video,
      { kind: 'random-erasing', probability: 1 },
      { kind: 'mix' },
    ]);
    const frame = (i: number) => changed.pixels.subarray(i * area, (i + 1) * area);
    for (const first of [0, 3]) {
      expect(frame(first + 1)).toEqual(frame(first));
      expect(frame(first + 2)).toEqual(frame(first));
    }
    expect(frame(3)).not.toEqual(frame(0));
  });

  it('mixes rows 2i and 2i + 1 by one share, and leaves a last one as it is', () => {
    const batch = batchOf(5);
    const { mixing, pixels } = change(batch, [{ kind: 'mix', cutmix: 0 }]);
    expect([...(mixing?.partners ?? [])]).toEqual([1, 0, 3, 2, 4]);
    const [share = 0] = mixing?.shares ?? [];
    expect([...(mixing?.shares ?? [])]).toEqual([share, share, share, share, 1]);
    expect(pixels.subarray(4 * SIDE * SIDE * 3)).toEqual(batch.pixels.subarray(4 * SIDE * SIDE * 3));
    const [a = 0, b = 0] = [batch.pixels[7], batch.pixels[SIDE * SIDE * 3 + 7]];
    expect(Math.abs((pixels[7] ?? 0) - (share * a + (1 - share) * b))).toBeLessThanOrEqual(0.5 + 1e-4);
    expect(change(batch, [{ kind: 'mix', probability: 0 }]).mixing).toBeUndefined();
  });

  it('draws shares of the beta distribution', () => {
    const batch = batchOf(2);
    const shares = Array.from({ length: 1000 }, (_, seed) => {
      const { mixing } = change(batch, [{ kind: 'mix', mixup: 0.8, cutmix: 0 }], createRandom(seed));
      return mixing?.shares[0] ?? NaN;
    });
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length;
    // Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1)) = 0.0962; five deviations of the means of 1000.
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
    expect(Math.abs(variance - 1 / (4 * 2.6))).toBeLessThan(0.012);
  });

  it('refuses images without colours for steps of colours', () => {
    expect(() => change(batchOf(1, 1, 1), [{ kind: 'rand-augment' }])).toThrow(
      'augmentation: expected images of 3 channels, got 1; leave it out of the augmentation',
    );
  });

  it('takes records of others', () => {
    registerAugmentation({
      name: 'toy-dark',
      summary: 'darker by a factor',
      settings: { factor: z.number().min(0).max(1).default(0.5) },
      draw:
        ({ factor }) =>
        (pixels) =>
          pixels.map((value) => value * factor),
    });
    const batch = batchOf(1);
    const { pixels } = change(batch, [{ kind: 'toy-dark' }]);
    expect(pixels).toEqual(batch.pixels.map((value) => value * 0.5));
    expect(augmentationSchema.parse([{ kind: 'toy-dark' }])).toEqual([{ kind: 'toy-dark', factor: 0.5 }]);
    expect(mixesRows([{ kind: 'toy-dark' }])).toBe(false);
    expect(mixesRows('classification-mixed')).toBe(true);
  });

  it('has settings that say what they refuse', () => {
    const problem = (given: unknown) =>
      augmentationSchema.safeParse(given).error?.issues.map(({ message }) => message);
    expect(
      JSON.stringify(augmentationSchema.safeParse([{ kind: 'flip', chance: 1 }]).error?.issues),
    ).toContain('flip: unknown setting \\"chance\\"; known: probability');
    expect(JSON.stringify(augmentationSchema.safeParse([{ kind: 'flp' }]).error?.issues)).toContain(
      'unknown augmentation \\"flp\\": did you mean \\"flip\\"?',
    );
    expect(problem([{ kind: 'mix' }, { kind: 'mix' }])).toEqual([
      'expected at most one step that mixes rows',
    ]);
    expect(augmentationSchema.parse('pairs')).toBe('pairs');
  });
});

describe('the draws of published augmentations', () => {
  /** An image whose pixels say where they come from: red the column, green the row. */
  const map = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return [pixel % 64, Math.floor(pixel / 64), 0][i % 3] as number;
  });
  const shape = { size: 1, frames: 1, height: 64, width: 64, channels: 3 };

  it('of random resized crops have areas from 8 % to all, and shapes from 3/4 to 4/3', () => {
    const areas: number[] = [];
    for (let seed = 0; seed < 120; seed += 1) {
      const { pixels } = change(
        { ...shape, pixels: map },
        [{ kind: 'random-resized-crop' }],
        createRandom(seed),
      );
      const at = (x: number, y: number, channel: number) => pixels[(y * 64 + x) * 3 + channel] ?? 0;
      // From the first pixel's middle to the last one's lie 63 / 64 of the box; levels are whole.
      const across = (at(63, 32, 0) - at(0, 32, 0)) * (64 / 63);
      const down = (at(32, 63, 1) - at(32, 0, 1)) * (64 / 63);
      areas.push((across * down) / 64 ** 2);
      expect(across / down).toBeGreaterThan(0.75 - 0.12);
      expect(across / down).toBeLessThan(4 / 3 + 0.12);
    }
    expect(Math.min(...areas)).toBeGreaterThan(0.05);
    expect(Math.max(...areas)).toBeGreaterThan(0.9);
    // Uniform from 0.08 to 1: mean 0.54, less for the boxes that fit in no shape; deviation 0.27 / sqrt(120).
    const mean = areas.reduce((sum, area) => sum + area, 0) / areas.length;
    expect(Math.abs(mean - 0.52)).toBeLessThan(0.12);
  });

  it('of random erasing are boxes of 2 % to a third, in a quarter of the images', () => {
    const plain = new Uint8Array(64 * 64 * 3);
    let times = 0;
    for (let seed = 0; seed < 400; seed += 1) {
      const { pixels } = change(
        { ...shape, pixels: plain },
        [{ kind: 'random-erasing' }],
        createRandom(seed),
      );
      let erased = 0;
      for (let at = 0; at < pixels.length; at += 3)
        if ((pixels[at] ?? 0) + (pixels[at + 1] ?? 0) + (pixels[at + 2] ?? 0) > 0) erased += 1;
      if (erased === 0) continue;
      times += 1;
      expect(erased / 64 ** 2).toBeGreaterThan(0.015);
      expect(erased / 64 ** 2).toBeLessThan(0.35);
    }
    // 100 of 400, deviation 8.7.
    expect(Math.abs(times - 100)).toBeLessThan(44);
  });
});
