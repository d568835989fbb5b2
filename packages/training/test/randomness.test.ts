import { rowRandom, sharedRandom, silentProgress, type Random } from '@polygate/core';
import { AdamW, constant } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { train } from '../src/index.ts';
import { tinyModel } from './tiny-run.ts';

let folder = '';
beforeAll(async () => {
  await tf.setBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'polygate-randomness-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Drawn {
  readonly rows: readonly number[];
  readonly shared: number;
}

const drawn = (random: Random, rows: number): Drawn => ({
  rows: Array.from({ length: rows }, (_, row) => rowRandom(random, row, 'masking').next()),
  shared: sharedRandom(random).next(),
});

/** What the batches of two updates drew, and their losses. */
const drawsOf = async (batchSize: number, accumulate: number): Promise<Record<'data' | 'model', Drawn[]>> => {
  const model = tinyModel();
  const { parameters } = model;
  using optimizer = new AdamW(parameters);
  const draws: Record<'data' | 'model', Drawn[]> = { data: [], model: [] };
  await train({
    parameters,
    optimizer,
    schedule: constant({ base: 0 }),
    sources: [
      {
        name: 'only',
        weight: 1,
        batchSize,
        next: (_cursor, { random }) => {
          draws.data.push(drawn(random, batchSize));
          return batchSize;
        },
      },
    ],
    loss: (size, { random }) => {
      draws.model.push(drawn(random, size));
      return { loss: tf.sum(parameters.get('shared.bias')).asScalar(), weight: size };
    },
    steps: 2,
    accumulate,
    seed: 3,
    runDirectory: join(folder, `${batchSize}-${accumulate}`),
    progress: silentProgress,
  });
  model.dispose();
  return draws;
};

describe('draws of an update', () => {
  it('are those of its samples, in however many batches they come', async () => {
    const whole = await drawsOf(4, 1);
    const parts = await drawsOf(2, 2);
    for (const use of ['data', 'model'] as const) {
      expect(parts[use].flatMap(({ rows }) => rows)).toEqual(whole[use].flatMap(({ rows }) => rows));
      // All parts share the stream of the step; each step has its own.
      const shared = parts[use].map((part) => part.shared);
      expect(shared).toEqual(whole[use].flatMap((one) => [one.shared, one.shared]));
      expect(new Set(shared).size).toBe(2);
    }
    expect(whole.data[0]?.rows).not.toEqual(whole.model[0]?.rows);
    expect(new Set(whole.data.flatMap(({ rows }) => rows)).size).toBe(8);
  });
});
