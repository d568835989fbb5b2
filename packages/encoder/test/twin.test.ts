import { createBatchRandom, createRandom } from '@polygate/core';
import type { EncodeOptions, ExpertConfig, UniPerceiver } from '@polygate/encoder';
import { relativeDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { plainEncoder, type PlainOptions } from './plain-encoder.ts';
import {
  captionBatch,
  drawnModel,
  inputOf,
  prompted,
  textBatch,
  tiny,
  type PlainBatch,
  type PlainSample,
} from './tiny-models.ts';

const engines = await testEngines();

interface Case {
  readonly batch: PlainBatch;
  readonly mask?: number[][];
  /** By sample. */
  readonly keep?: readonly (readonly number[])[];
  readonly prompts?: readonly number[][][];
}

/** The largest relative difference of each way to encode a case from the plain loops. */
const differences = (model: UniPerceiver, given: Case, ways: readonly EncodeOptions[]): number[] => {
  const { batch, mask, keep, prompts } = given;
  const plain = plainEncoder(model);
  const expected = batch.flatMap((sample, b) => {
    const plainOptions: PlainOptions = {
      ...(mask ? { mask } : {}),
      ...(keep ? { keep: keep[b] ?? [] } : {}),
      ...(prompts ? { prompts } : {}),
    };
    return plain(sample, plainOptions).flat();
  });
  const input = inputOf(batch, mask);
  const deep = prompts?.map((prompt) => tf.tensor2d(prompt));
  const results = ways.map((way) => {
    const hidden = model.encode(input, { ...way, ...(deep ? prompted(deep) : {}) });
    const got = hidden.dataSync();
    hidden.dispose();
    return relativeDifference(got, expected);
  });
  tf.dispose(deep ?? []);
  return results;
};

/** Words see the image and what is before them; the prefix and the image see themselves. */
const captionMask = Array.from({ length: 12 }, (_, i) =>
  Array.from({ length: 12 }, (__, j) => (j < 9 || (i >= 9 && j <= i) ? 0 : -1e4)),
);

const experts = (moe: ExpertConfig): ExpertConfig => ({ experts: 4, noise: 0, ...moe });

describe.each(engines)('encode on $title equals plain loops', (engine) => {
  beforeAll(() => engine.use());
  // A stack of rounded products: bf16 loses a little more than in one operator.
  const tolerance = engine.precision === 'bf16' ? 0.06 : 1e-4;

  const models: readonly (readonly [string, ExpertConfig | undefined])[] = [
    ['dense', undefined],
    ['experts in all linears', experts({})],
    ['every other block, top-1, gates as they are', experts({ every: 2, topK: 1, renormalize: false })],
    ['attention only', experts({ attention: true, ffn: false })],
    ['feed-forward only, gates for each', experts({ attention: false, separateGates: true })],
    ['gates for each linear', experts({ separateGates: true, topK: 3 })],
    ['modalities', experts({ condition: 'modality' })],
    ['tasks', experts({ condition: 'task', tasks: ['b', 'a', 'c'] })],
    ['parameters of each task', { condition: 'task-specific', tasks: ['b', 'a'] }],
  ];
  it.each(models)('%s', (_, moe) => {
    const model = drawnModel({ ...tiny, ...(moe ? { moe } : {}) }, 5);
    const ways = [{}, { merged: false }, { training: true }];
    const caption = differences(model, { batch: captionBatch(2, 6), mask: captionMask }, ways);
    for (const difference of [...caption, ...differences(model, { batch: textBatch(3, 4, 7) }, [{}])]) {
      expect(difference).toBeLessThan(tolerance);
    }
    model.dispose();
  });

  it('segments in any order, a row that comes back', () => {
    const model = drawnModel({ ...tiny, layers: 2, moe: experts({}) }, 12);
    const batch = captionBatch(2, 13).map(([image, words], b): PlainSample => {
      const [more] = textBatch(2, 2, 14)[b] ?? [];
      return image && words && more ? [words, image, { ...more, row: words.row }] : [];
    });
    for (const difference of differences(model, { batch }, [{}, { merged: false }])) {
      expect(difference).toBeLessThan(tolerance);
    }
    model.dispose();
  });

  it('with drop path, a scaled grid and deep prompts', () => {
    const model = drawnModel({ ...tiny, dropPath: 0.4, gridScale: 0.5, moe: experts({}) }, 8);
    const batch = captionBatch(3, 9);
    // The model draws for each sample by a stream of its own, branch by branch.
    const [samples, step] = [createRandom(10), createRandom(15)];
    const draws = createBatchRandom({ samples, step, first: 7 });
    const keep = batch.map((_, b) => {
      const stream = draws.forSample(b, 'drop path');
      return Array.from({ length: 6 }, () => (stream.next() < 0.4 ? 0 : 1 / 0.6));
    });
    expect(new Set(keep.flat()).size).toBe(2);
    const prompting = createRandom(11);
    const prompts = Array.from({ length: 3 }, () =>
      Array.from({ length: 2 }, () => Array.from({ length: 8 }, () => prompting.normal())),
    );
    const training = { training: true, random: createBatchRandom({ samples, step, first: 7 }) };
    const [dropped] = differences(model, { batch, keep, prompts }, [training]);
    const [masked] = differences(model, { batch, prompts, mask: captionMask }, [{}]);
    expect(dropped).toBeLessThan(tolerance);
    expect(masked).toBeLessThan(tolerance);
    model.dispose();
  });
});
