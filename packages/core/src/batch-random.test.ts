import { describe, expect, it } from 'vitest';
import { createBatchRandom, rowRandom, rowRandoms, sharedRandom } from './batch-random.ts';
import { createRandom, type Random } from './random.ts';

const batch = (first: number, step = 3) =>
  createBatchRandom({
    samples: createRandom(1).fork('sample').fork('task'),
    step: createRandom(1).fork('step').fork(step),
    first,
  });
const draws = (random: Random, count = 3): readonly number[] =>
  Array.from({ length: count }, () => random.next());

describe('the randomness of a batch', () => {
  it('gives a sample the same draws whatever part of the batch it stands in', () => {
    const whole = Array.from({ length: 32 }, (_, row) => draws(rowRandom(batch(64), row, 'masking')));
    const halves = [64, 80].flatMap((first) =>
      Array.from({ length: 16 }, (_, row) => draws(rowRandom(batch(first), row, 'masking'))),
    );
    expect(halves).toEqual(whole);
    expect(new Set(whole.map(([value]) => value)).size).toBe(32);
    expect(rowRandoms(batch(64), 2, 'masking').map((random) => draws(random))).toEqual(whole.slice(0, 2));
  });

  it('has streams of their own for purposes, forks and steps', () => {
    const streams = [
      batch(0).forSample(0, 'masking'),
      batch(0).forSample(0, 'caption'),
      batch(0).fork('inputs').forSample(0, 'masking'),
      batch(0).fork('targets').forSample(0, 'masking'),
      batch(0),
      batch(0).fork('inputs'),
      batch(0, 4),
      batch(0).fork('masking'),
    ];
    expect(new Set(streams.map((stream) => stream.next())).size).toBe(streams.length);
    // A sample knows no step: a source's batch is the same whenever it is asked for.
    expect(draws(batch(5, 4).forSample(0, 'x'))).toEqual(draws(batch(5, 3).forSample(0, 'x')));
  });

  it('shares the stream of the step', () => {
    expect(draws(batch(0))).toEqual(draws(batch(16)));
    expect(draws(sharedRandom(batch(0).fork('candidates')))).toEqual(draws(batch(16).fork('candidates')));
    expect(rowRandoms(sharedRandom(batch(0)), 3, 'noise').map((stream) => stream.next())).toEqual(
      rowRandoms(sharedRandom(batch(16)), 3, 'noise').map((stream) => stream.next()),
    );
  });

  it('takes a plain stream for that of a batch that is alone', () => {
    const plain = createRandom(9);
    expect(draws(rowRandom(plain, 2, 'masking'))).toEqual(draws(plain.fork('masking').fork(2)));
    const before = plain.state();
    const [first = NaN] = rowRandoms(plain, 1, 'drop path').map((stream) => stream.next());
    expect(plain.state()).not.toEqual(before);
    const [second] = rowRandoms(plain, 1, 'drop path').map((stream) => stream.next());
    expect(second).not.toBe(first);
    expect(sharedRandom(plain)).toBe(plain);
  });
});
