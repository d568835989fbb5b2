import { createRandom } from '@polygate/core';
import type { EncodeOptions, ExpertConfig } from '@polygate/encoder';
import { relativeDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { plainEncoder, type PlainOptions } from './plain-encoder.ts';
import {
  captionBatch,
  disposeInput,
  drawnModel,
  inputOf,
  textBatch,
  tiny,
  type PlainBatch,
} from './tiny-models.ts';

const engines = await testEngines();

interface Comparison {
  readonly batch: PlainBatch;
  readonly mask?: number[][];
  readonly options?: EncodeOptions;
  /** By sample. */
  readonly keep?: readonly (readonly number[])[];
  readonly prompts?: readonly number[][][];
}

const difference = (model: ReturnType<typeof drawnModel>, comparison: Comparison): number => {
  const { batch, mask, options = {}, keep, prompts } = comparison;
  const plain = plainEncoder(model);
  const expected = batch.flatMap((sample, b) => {
    const own: PlainOptions = {
      ...(mask ? { mask } : {}),
      ...(keep ? { keep: keep[b] ?? [] } : {}),
      ...(prompts ? { prompts } : {}),
    };
    return plain(sample, own).flat();
  });
  const input = inputOf(batch, mask);
  const deep = prompts?.map((prompt) => tf.tensor2d(prompt));
  const hidden = model.encode(input, { ...options, ...(deep ? { prompts: deep } : {}) });
  const got = hidden.dataSync();
  hidden.dispose();
  disposeInput(input);
  tf.dispose(deep ?? []);
  return relativeDifference(got, expected);
};

/** Words see the picture and what is before them; the prefix and the picture see themselves. */
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
  ];
  it.each(models)('%s', (_, moe) => {
    const model = drawnModel({ ...tiny, ...(moe ? { moe } : {}) }, 5);
    const caption = { batch: captionBatch(2, 6), mask: captionMask };
    expect(difference(model, caption)).toBeLessThan(tolerance);
    expect(difference(model, { ...caption, options: { merged: false } })).toBeLessThan(tolerance);
    expect(difference(model, { ...caption, options: { training: true } })).toBeLessThan(tolerance);
    expect(difference(model, { batch: textBatch(3, 4, 7) })).toBeLessThan(tolerance);
    model.dispose();
  });

  it('with drop path, a scaled grid and deep prompts', () => {
    const model = drawnModel({ ...tiny, dropPath: 0.4, gridScale: 0.5, moe: experts({}) }, 8);
    const batch = captionBatch(3, 9);
    // The model draws for all samples of a branch, branch by branch.
    const draws = createRandom(10);
    const branches = Array.from({ length: 6 }, () => batch.map(() => (draws.next() < 0.4 ? 0 : 1 / 0.6)));
    const keep = batch.map((_, b) => branches.map((branch) => branch[b] ?? NaN));
    expect(new Set(keep.flat()).size).toBe(2);
    const prompting = createRandom(11);
    const prompts = Array.from({ length: 3 }, () =>
      Array.from({ length: 2 }, () => Array.from({ length: 8 }, () => prompting.normal())),
    );
    const training = { training: true, random: createRandom(10) };
    expect(difference(model, { batch, options: training, keep, prompts })).toBeLessThan(tolerance);
    expect(difference(model, { batch, prompts, mask: captionMask })).toBeLessThan(tolerance);
    model.dispose();
  });
});
