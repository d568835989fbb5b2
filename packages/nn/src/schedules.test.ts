import { parseDuration } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constant, warmupCosine } from './schedules.ts';

describe('warmupCosine', () => {
  it('follows the hand-computed curve', () => {
    const rate = warmupCosine({ base: 1, minimum: 0.1, warmup: 4, total: 8 });
    // warm-up 1/4 2/4 3/4 4/4; then 0.1 + 0.9 (1 + cos(pi k / 4)) / 2 for k = 1..4: cos = 0.7071, 0, -0.7071, -1
    const expected = [0.25, 0.5, 0.75, 1, 0.868198, 0.55, 0.231802, 0.1];
    expected.forEach((value, step) => expect(rate(step)).toBeCloseTo(value, 6));
    expect(rate(100)).toBeCloseTo(0.1, 12);
  });

  it('takes durations: percent of the run, samples and epochs of the context', () => {
    const context = { batchSize: 10, epochSamples: 100 };
    const rate = warmupCosine({
      base: 1,
      warmup: parseDuration('5%'),
      total: parseDuration('4 epochs'),
      context,
    });
    // 4 epochs of 10 steps = 40 steps, 5 % of them = 2 steps of warm-up
    expect(rate(0)).toBe(0.5);
    expect(rate(1)).toBe(1);
    expect(rate(39)).toBeCloseTo(0, 12);
  });

  it('rises, then falls, and stays within its bounds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 0, max: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (total, w, low) => {
          const warmup = Math.min(w, total);
          const rate = warmupCosine({ base: 1, minimum: low, warmup, total });
          for (let step = 0; step < total + 3; step += 1) {
            const [now, next] = [rate(step), rate(step + 1)];
            if (now > 1 + 1e-12 || now < Math.min(low, 1 / Math.max(1, warmup)) - 1e-12) return false;
            if (step + 1 < warmup ? next <= now : step + 1 > warmup && next > now + 1e-12) return false;
          }
          return true;
        },
      ),
    );
  });

  it('refuses settings that do not fit', () => {
    expect(() => warmupCosine({ base: 1, warmup: 9, total: 8 })).toThrow(
      'expected at least one step and a warm-up no longer than the run, got warm-up 9 of 8 steps; shorten the warm-up',
    );
    expect(() => warmupCosine({ base: 1, minimum: 2, total: 8 })).toThrow(
      'expected minimum at most base (1), got 2',
    );
    expect(() => warmupCosine({ base: Number.NaN, total: 8 })).toThrow(
      'expected base to be a number of at least 0, got NaN',
    );
    expect(() => warmupCosine({ base: 1, total: parseDuration('1 epoch') })).toThrow(
      'needs a positive epochSamples',
    );
  });
});

describe('lengths of schedules', () => {
  it.each([NaN, Infinity, -1])('are refused where they are %s', (length) => {
    const words = `to be a number of at least 0, got ${length}`;
    expect(() => warmupCosine({ base: 1, total: length })).toThrow(`warmupCosine: expected total ${words}`);
    expect(() => warmupCosine({ base: 1, warmup: length, total: 8 })).toThrow(
      `warmupCosine: expected warmup ${words}`,
    );
    expect(() => constant({ base: 1, warmup: length })).toThrow(`constant: expected warmup ${words}`);
  });
});

describe('constant', () => {
  it('stays where it is after its warm-up', () => {
    expect([0, 1, 500].map(constant({ base: 0.3 }))).toEqual([0.3, 0.3, 0.3]);
    expect([0, 1, 2, 3].map(constant({ base: 1, warmup: 2 }))).toEqual([0.5, 1, 1, 1]);
  });
});
