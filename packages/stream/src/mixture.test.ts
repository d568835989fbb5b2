import { StateError } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordBatch } from 'apache-arrow';
import { buildBatch } from './build.ts';
import { values } from './columns.ts';
import { mixBatches } from './mixed-batches.ts';
import { createMixture, type Draw } from './mixture.ts';
import { defineSchema } from './schema.ts';

const sources = [
  { name: 'images', size: 10_000 },
  { name: 'captions', size: 400 },
  { name: 'text', size: 100 },
];
const range = (size: number): number[] => Array.from({ length: size }, (_, i) => i);

/** Each source's cursors must be 0, 1, 2, ...: nothing lost, nothing twice. */
const expectSeamless = (draws: readonly Draw[]): void => {
  const next = new Map<string, number>();
  draws.forEach(({ step, name, cursor }, i) => {
    expect(step).toBe(i);
    expect(cursor).toBe(next.get(name) ?? 0);
    next.set(name, cursor + 1);
  });
};

describe('mixture', () => {
  it('weighs by the square root of size, by temperature, or explicitly: hand golden', () => {
    // Square roots 100, 20, 10 of 130; by size 10000, 400, 100 of 10500.
    expect(createMixture(sources, { seed: 1 }).shares()).toEqual({
      images: 100 / 130,
      captions: 20 / 130,
      text: 10 / 130,
    });
    const bySize = createMixture(sources, { seed: 1, temperature: 1 }).shares();
    expect(bySize.images).toBeCloseTo(10000 / 10500, 12);
    const explicit = sources.map((source, i) => ({ ...source, weight: i }));
    expect(createMixture(explicit, { seed: 1 }).shares()).toEqual({
      images: 0,
      captions: 1 / 3,
      text: 2 / 3,
    });
  });

  it('draws with the chances of explicit weights and never a source of weight 0', () => {
    const mixture = createMixture(
      sources.map(({ name }, weight) => ({ name, weight })),
      { seed: 3 },
    );
    const counts = new Map<string, number>();
    for (const step of range(6000)) {
      const name = mixture.pick(step);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(counts.get('images')).toBeUndefined();
    // 2000 of 6000, deviation sqrt(6000 2/9) = 37
    expect(Math.abs((counts.get('captions') ?? 0) - 2000)).toBeLessThan(150);
  });

  it('draws each source as often as its share says', () => {
    const mixture = createMixture(sources, { seed: 5 });
    const draws = range(13_000).map(() => mixture.next().name);
    // Expected 10000, 2000, 1000; standard deviations 48, 41, 30.
    expect(Math.abs(draws.filter((name) => name === 'images').length - 10_000)).toBeLessThan(250);
    expect(Math.abs(draws.filter((name) => name === 'captions').length - 2000)).toBeLessThan(210);
    expect(draws.filter((name) => name === 'text').length).toBeGreaterThan(840);
  });

  it('picks as a pure function of seed, step and weights', () => {
    const one = createMixture(sources, { seed: 5 });
    const two = createMixture(sources, { seed: 5 });
    range(50).forEach(() => two.next());
    expect(range(200).map(one.pick)).toEqual(range(200).map(two.pick));
    expect(range(200).map(one.pick)).not.toEqual(range(200).map(createMixture(sources, { seed: 6 }).pick));
    fc.assert(
      fc.property(fc.integer(), fc.nat(1e6), fc.array(fc.nat(1e6)), (seed, step, others) => {
        const mixture = createMixture(sources, { seed });
        others.forEach((other) => mixture.pick(other));
        return mixture.pick(step) === createMixture(sources, { seed }).pick(step);
      }),
    );
  });

  it('takes several items a draw', () => {
    const one = createMixture(sources, { seed: 5 });
    const three = createMixture(sources, { seed: 5, take: 3 });
    const drawn = range(40).map(() => one.next());
    const ahead = three.peek(40);
    expect(ahead).toEqual(drawn.map((draw) => ({ ...draw, cursor: 3 * draw.cursor })));
    expect(range(40).map(() => three.next())).toEqual(ahead);
    const { counters } = one.state();
    expect(three.state().counters).toEqual(
      Object.fromEntries(Object.entries(counters).map(([name, count]) => [name, 3 * count])),
    );
  });

  it('resumes anywhere with the same draws, and under other weights with nothing lost or repeated', () => {
    const weight = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(fc.tuple(weight, weight, weight), fc.nat({ max: 60 }), fc.nat(), (weights, stop, seed) => {
        const drawn = (mixture: ReturnType<typeof createMixture>, count: number): Draw[] =>
          range(count).map(() => mixture.next());
        const whole = createMixture(sources, { seed });
        const draws = drawn(whole, 60);
        expectSeamless(draws);
        const first = createMixture(sources, { seed });
        const before = drawn(first, stop);
        const state = JSON.stringify(first.state());
        const resumed = (list: Parameters<typeof createMixture>[0]): ReturnType<typeof createMixture> => {
          const mixture = createMixture(list, { seed });
          mixture.restore(JSON.parse(state) as Parameters<typeof mixture.restore>[0]);
          return mixture;
        };
        const second = resumed(sources);
        expect([...before, ...drawn(second, 60 - stop)]).toEqual(draws);
        expect(second.state()).toEqual(whole.state());
        const others = sources.map(({ name }, i) => ({ name, weight: weights[i] ?? 1 }));
        expectSeamless([...before, ...drawn(resumed(others), 60 - stop)]);
      }),
    );
  });

  it('looks ahead without moving', () => {
    const mixture = createMixture(sources, { seed: 2 });
    range(7).forEach(() => mixture.next());
    const ahead = mixture.peek(20);
    expect(mixture.state().step).toBe(7);
    expect(range(20).map(() => mixture.next())).toEqual(ahead);
  });

  it('refuses what it can not draw from', () => {
    const make = (list: Parameters<typeof createMixture>[0]) => () => createMixture(list, { seed: 0 });
    expect(make([])).toThrow('mixture: expected one or more sources of different names, got []');
    expect(
      make([
        { name: 'a', size: 1 },
        { name: 'a', size: 2 },
      ]),
    ).toThrow('got [a, a]');
    expect(make([{ name: 'a', size: 0 }])).toThrow(
      'mixture: expected a size above 0 for "a", got 0; leave empty sources out, and give each of the others a size or a weight',
    );
    expect(make([{ name: 'a' }])).toThrow('mixture: expected a size above 0 for "a", got undefined;');
    expect(make([{ name: 'a', weight: -1 }])).toThrow(
      'mixture: expected a weight of 0 or more for "a", got -1; 0 switches the source off',
    );
    expect(() => createMixture(sources, { seed: 1, temperature: 0 })).toThrow(
      'mixture: expected a temperature above 0, got 0',
    );
    expect(
      make([
        { name: 'a', size: 1, weight: 1 },
        { name: 'b', size: 2 },
      ]),
    ).toThrow('got none for b');
    expect(make([{ name: 'a', size: 1, weight: 0 }])).toThrow('expected at least one weight above 0');
    const mixture = createMixture(sources, { seed: 0 });
    expect(() => mixture.restore({ step: 0, counters: { images: 0 } })).toThrow(StateError);
    expect(() => mixture.restore({ step: 0, counters: { images: 0 } })).toThrow(
      'resume with the recipe of the run that wrote it',
    );
  });
});

describe('mixed batches', () => {
  const schema = defineSchema({ value: 'int32' });
  const reads: string[] = [];
  const numbered = (name: string) => ({
    async batch(index: number): Promise<RecordBatch> {
      reads.push(`${name} ${index}`);
      return buildBatch(schema, { value: [index + 1000 * name.length] });
    },
  });
  const all = { images: numbered('images'), captions: numbered('captions'), text: numbered('text') };

  it('hands out what the mixture draws, with nothing lost or repeated', async () => {
    const mixture = createMixture(sources, { seed: 3 });
    const draws: Draw[] = [];
    for await (const { batch, ...draw } of mixBatches(mixture, all, { ahead: 5 })) {
      expect(values(batch, 'value')[0]).toBe(draw.cursor + 1000 * draw.name.length);
      draws.push(draw);
      // The state is the consumer's: what was read ahead does not count.
      expect(mixture.state().step).toBe(draws.length);
      if (draws.length === 60) break;
    }
    expectSeamless(draws);
    const twin = createMixture(sources, { seed: 3 });
    expect(draws).toEqual(range(60).map(() => twin.next()));
  });

  it('reads each batch once, `ahead` of the consumer', async () => {
    reads.length = 0;
    const mixture = createMixture(sources, { seed: 3 });
    const mixed = mixBatches(mixture, all, { ahead: 3 });
    for (let i = 0; i < 10; i += 1) await mixed.next();
    expect(reads.length).toBe(12);
    expect(new Set(reads).size).toBe(12);
  });

  it('ends before a step, without reading beyond', async () => {
    reads.length = 0;
    const mixture = createMixture(sources, { seed: 3 });
    mixture.restore({ step: 2, counters: { images: 1, captions: 1, text: 0 } });
    const steps: number[] = [];
    for await (const { step } of mixBatches(mixture, all, { ahead: 4, end: 5 })) steps.push(step);
    expect(steps).toEqual([2, 3, 4]);
    expect(reads.length).toBe(3);
  });

  it('passes the error of a source on, and stops for a signal', async () => {
    const failing = { ...all, images: { batch: () => Promise.reject(new Error('disk gone')) } };
    const mixture = createMixture([{ name: 'images', size: 1 }], { seed: 0 });
    await expect(mixBatches(mixture, failing).next()).rejects.toThrow('disk gone');
    expect(mixture.state().step).toBe(0);
    const signal = AbortSignal.abort(new Error('stop'));
    await expect(mixBatches(mixture, all, { signal }).next()).rejects.toThrow('stop');
    await expect(mixBatches(mixture, {}).next()).rejects.toThrow('unknown mixture source "images"');
  });
});
