import { testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { UniPerceiverModel } from '../src/models/uni-perceiver/uni-perceiver-model.ts';
import { scoresOf } from '../src/models/uni-perceiver/scores.ts';

describe.each(await testEngines())('scores of candidates on $title', (engine) => {
  beforeAll(() => engine.use());

  it('tell candidates apart whose cosines are equal in bf16', async () => {
    // Products .81299 and .81348 are both .8125 in bf16. The features are exact in bf16.
    const encoder = { config: { temperatures: ['any'] }, temperature: () => tf.scalar(8) };
    const model = { encoder } as unknown as UniPerceiverModel;
    const queries = tf.tensor2d([0.75, 0.5, 0.25], [1, 3]);
    const candidates = tf.tensor2d([0.75, 0.5, 0.001953125, 0.75, 0.5, 0.00390625], [2, 3]);
    const [first = 0, second = 0] = await scoresOf(model, { queries, candidates }, 'any');
    expect(first).toBeCloseTo(8 * (0.8125 + 0.00048828125), 5);
    expect(second).toBeCloseTo(8 * (0.8125 + 0.0009765625), 5);
    tf.dispose([queries, candidates]);
  });
});
