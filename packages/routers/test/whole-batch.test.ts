/** Losses of routers on parts of a batch against those of the batch: values, and gradients by the parameters. */
import { createRandom, informedPart, rehearsePart, type PartExchange, type PartTold } from '@polygate/core';
import { parameterGradients } from '@polygate/nn';
import { routeTokens, unstackRouters, type RouterLosses } from '@polygate/routers';
import { testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { drawnParameters, stackOf } from './token-batches.ts';

const engines = await testEngines();
const LENGTH = 40;
const WIDTH = 6;
/** Rows of the parts, and the shares that they count by: not those of their tokens, of which some are padding. */
const parts = [
  { rows: [0, 1], share: 0.2 },
  { rows: [1, 3], share: 0.8 },
] as const;

describe.each(engines)('losses of parts on $title', (engine) => {
  it('add up to those of the batch, by their shares', async () => {
    await engine.use();
    const random = createRandom(4);
    const values = Float32Array.from({ length: 3 * LENGTH * WIDTH }, () => random.normal());
    const flags = Float32Array.from({ length: 3 * LENGTH }, () => Number(random.next() > 0.3));
    const stack = stackOf('token', { noise: 0 });
    const parameters = drawnParameters(stack, 3);
    const lossOf = ([from, end]: readonly [number, number], whole?: PartExchange, share = 1): tf.Scalar => {
      const tokens = tf.tensor3d(values.subarray(from * LENGTH * WIDTH, end * LENGTH * WIDTH), [
        end - from,
        LENGTH,
        WIDTH,
      ]);
      const visible = tf.tensor2d(flags.subarray(from * LENGTH, end * LENGTH), [end - from, LENGTH]);
      const { losses } = routeTokens(
        stack,
        { site: 1, tokens, visible },
        {
          parameters: unstackRouters(stack, parameters),
          ...{ capacityFactor: 'dropless', losses: ['importance', 'load'] },
          ...(whole ? { whole: { share, sum: (name, part) => whole.sum(name, part) } } : {}),
        },
      );
      const { balance, z, importance, load }: RouterLosses = losses;
      const weighed = [balance, z, importance, load].map((loss, at) => tf.mul(loss as tf.Scalar, at + 1));
      return tf.mul(tf.addN(weighed), share) as tf.Scalar;
    };
    const told = parts.map(({ rows, share }): PartTold => {
      const { exchange, told: mine } = rehearsePart();
      tf.tidy(() => void lossOf(rows, exchange, share));
      return mine;
    });
    const outcomeOf = (losses: () => readonly tf.Scalar[]): Record<string, readonly number[]> => {
      const { loss, gradients } = parameterGradients(parameters, () => tf.addN([...losses()]) as tf.Scalar);
      const read = Object.entries({ loss, ...gradients }).map(
        ([name, tensor]) => [name, [...tensor.dataSync()]] as const,
      );
      tf.dispose([loss, ...Object.values(gradients)]);
      return Object.fromEntries(read);
    };
    const expected = outcomeOf(() => [lossOf([0, 3])]);
    const got = outcomeOf(() =>
      parts.map(({ rows, share }, at) => lossOf(rows, informedPart(told, at), share)),
    );
    parameters.dispose();
    expect(Object.keys(got)).toEqual(Object.keys(expected));
    for (const [name, numbers] of Object.entries(expected)) {
      const scale = Math.max(...numbers.map(Math.abs), 1e-3);
      const worst = Math.max(...numbers.map((v, i) => Math.abs(v - (got[name]?.[i] ?? Number.NaN))));
      expect(worst / scale, name).toBeLessThan(engine.tolerance);
    }
  });
});
