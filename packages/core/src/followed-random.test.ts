import { describe, expect, it } from 'vitest';
import {
  createBatchRandom,
  drawn,
  rowRandom,
  rowRandoms,
  sharedRandom,
  type BatchRandom,
} from './batch-random.ts';
import { followRandom } from './followed-random.ts';
import { createRandom } from './random.ts';

const batch = (step: number, first: number): BatchRandom =>
  createBatchRandom({ samples: createRandom(1).fork('task'), step: createRandom(2).fork(step), first });

/** What a loss function may do with its randomness, in two parts: what it makes once, and what it asks for in each step. */
const drawsOf = (random: BatchRandom): (() => readonly unknown[]) => {
  const side = random.fork('inputs');
  const rows = rowRandoms(side, 3, 'drop path');
  const plain = sharedRandom(random.fork('targets'));
  const shared = rowRandoms(plain, 2, 'drop path');
  const later = rowRandoms(plain, 2, 'drop path');
  const start = drawn(side, (stream) => stream.integer(1000));
  const row = rowRandom(side, 2, 'noise').fork('more');
  const other = random.shared.fork('candidates');
  return () => [
    ...rows.map((stream) => stream.next()),
    ...rows.map((stream) => stream.normal()),
    ...[...shared, ...later].map((stream) => stream.next()),
    start(),
    start(),
    row.uint32(),
    other.integer(50),
    plain.next(),
  ];
};

describe('followed randomness', () => {
  it('gives in each step what a function that is called anew draws there', () => {
    const followed = followRandom(batch(0, 0));
    const draws = drawsOf(followed.random);
    expect(draws()).toEqual(drawsOf(batch(0, 0))());
    const seen = [0, 1, 2].map((step) => {
      followed.moveTo(batch(step, 3 * step));
      const values = draws();
      expect(values).toEqual(drawsOf(batch(step, 3 * step))());
      return JSON.stringify(values);
    });
    expect(new Set(seen).size).toBe(3);
  });

  it('begins anew when it is moved to the same step again', () => {
    const followed = followRandom(batch(0, 0));
    const draws = drawsOf(followed.random);
    const first = draws();
    expect(draws()).not.toEqual(first);
    followed.moveTo(batch(0, 0));
    expect(draws()).toEqual(first);
  });

  it('refuses draws from the randomness of the step itself', () => {
    const { random } = followRandom(batch(0, 0));
    expect(() => random.next()).toThrow('the randomness of the step itself is drawn from; fork it');
    expect(() => random.shared.normal()).toThrow('fork it');
    expect(() => drawn(random, (stream) => stream.next())).toThrow('fork it');
  });
});
