import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTaskSampler } from './task-sampler.ts';

const sizes = [
  { name: 'a', size: 100 },
  { name: 'b', size: 400 },
  { name: 'c', size: 900 },
];

describe('createTaskSampler', () => {
  it('weighs by the root of the size, by temperature, or as told', () => {
    // roots 10, 20, 30 of 60
    expect(createTaskSampler(sizes, { seed: 1 }).shares).toEqual({ a: 1 / 6, b: 1 / 3, c: 1 / 2 });
    expect(createTaskSampler(sizes, { seed: 1, temperature: 1 }).shares).toEqual({
      a: 100 / 1400,
      b: 400 / 1400,
      c: 900 / 1400,
    });
    const told = sizes.map(({ name, size }, weight) => ({ name, size, weight }));
    expect(createTaskSampler(told, { seed: 1 }).shares).toEqual({ a: 0, b: 1 / 3, c: 2 / 3 });
  });

  it('draws with those chances and never a task of weight 0', () => {
    const told = sizes.map(({ name }, weight) => ({ name, weight }));
    const sampler = createTaskSampler(told, { seed: 3 });
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let step = 0; step < 6000; step += 1)
      counts[sampler.pick(step)] = (counts[sampler.pick(step)] ?? 0) + 1;
    expect(counts['a']).toBe(0);
    // 2000 of 6000, deviation sqrt(6000 2/9) = 37
    expect(Math.abs((counts['b'] ?? 0) - 2000)).toBeLessThan(150);
  });

  it('is a pure function of seed and step', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(1e6), fc.array(fc.nat(1e6)), (seed, step, others) => {
        const sampler = createTaskSampler(sizes, { seed });
        others.forEach((other) => sampler.pick(other));
        return sampler.pick(step) === createTaskSampler(sizes, { seed }).pick(step);
      }),
    );
    const sequence = (seed: number): string =>
      Array.from({ length: 40 }, (_, step) => createTaskSampler(sizes, { seed }).pick(step)).join('');
    expect(sequence(1)).not.toBe(sequence(2));
  });

  it('refuses what it cannot weigh', () => {
    const make = (...sources: Parameters<typeof createTaskSampler>[0]) =>
      createTaskSampler(sources, { seed: 1 });
    expect(() => make({ name: 'a' })).toThrow(
      'task "a": expected a weight or a positive size to derive it from, got size undefined',
    );
    expect(() => make({ name: 'a', weight: -1 })).toThrow(
      'task "a": expected a weight of at least 0, got -1; 0 switches the task off',
    );
    expect(() => make({ name: 'a', weight: 1 }, { name: 'b', size: 3 })).toThrow(
      'expected weights for all or for none, got them for a alone',
    );
    expect(() => make({ name: 'a', size: 1 }, { name: 'a', size: 3 })).toThrow(
      'expected unique names, got "a" twice',
    );
    expect(() => make({ name: 'a', weight: 0 })).toThrow('expected at least one task with a weight above 0');
    expect(() => createTaskSampler(sizes, { seed: 1, temperature: 0 })).toThrow(
      'expected a temperature above 0, got 0',
    );
  });
});
