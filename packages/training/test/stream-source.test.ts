import { createRandom } from '@polygate/core';
import { AdamW, allocateParameters, constant } from '@polygate/nn';
import {
  buildBatch,
  createBatchSource,
  defineSchema,
  openShards,
  values,
  writeShards,
} from '@polygate/stream';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { streamSource, train } from '../src/index.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('streamSource', () => {
  it('trains on shards: each epoch every row once, also over a resume', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'polygate-stream-source-'));
    const schema = defineSchema({ x: 'int32' }, {});
    async function* rows() {
      yield buildBatch(schema, { x: Int32Array.from({ length: 24 }, (_, i) => i) });
    }
    await writeShards(join(folder, 'data'), schema, rows());
    const shards = await openShards(join(folder, 'data'));
    const seen: number[] = [];
    const life = async (steps: number): Promise<void> => {
      using parameters = allocateParameters(
        [{ name: 'p', shape: [], initializer: { kind: 'ones' }, role: 'bias' }],
        createRandom(1),
      );
      using optimizer = new AdamW(parameters);
      await train({
        parameters,
        optimizer,
        schedule: constant({ base: 0.01 }),
        sources: [
          streamSource({
            name: 'numbers',
            size: shards.rowCount,
            batches: createBatchSource({ shards, seed: 3, batchSize: 4 }),
            collate: (batch, { random, training }) => ({
              x: [...(values(batch, 'x') as Int32Array)],
              sign: training && random.next() < 0.5 ? -1 : 1,
            }),
          }),
        ],
        loss: ({ x, sign }) => ({
          loss: parameters
            .get('p')
            .mul(sign * x.length)
            .sum() as tf.Scalar,
        }),
        measure: ({ x }) => {
          seen.push(...x);
          return { samples: x.length };
        },
        steps,
        seed: 2,
        runDirectory: join(folder, 'run'),
      });
    };
    await life(4);
    await life(12);
    const all = Array.from({ length: 24 }, (_, i) => i);
    const sorted = (part: readonly number[]): readonly number[] => [...part].sort((a, b) => a - b);
    expect(sorted(seen.slice(0, 24))).toEqual(all);
    expect(sorted(seen.slice(24))).toEqual(all);
    expect(seen.slice(24)).not.toEqual(seen.slice(0, 24));
    await shards.close();
    await rm(folder, { recursive: true });
  });
});
