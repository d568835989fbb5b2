import { createRandom } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { gate, type GateOptions } from './gate.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** Sum of gates times fixed numbers, as a function of representation and weight. */
const weigh = (settings: Omit<GateOptions, 'weight'>, noiseSeed?: number) => {
  const upstream = tf.tensor2d([0.3, -1.2, 0.7, 2, -0.4, 1.1, 0.5, -2.3, 0.9, 1.7], [2, 5]);
  return (x: tf.Tensor, w: tf.Tensor): tf.Scalar =>
    gate(x as tf.Tensor2D, {
      ...settings,
      weight: w as tf.Tensor2D,
      // The same draw at every call: the noise is a constant of the function.
      ...(noiseSeed === undefined ? {} : { training: true, random: createRandom(noiseSeed) }),
    })
      .gates.mul(upstream)
      .sum();
};

const random = createRandom(11);
const xValues = Array.from({ length: 8 }, () => random.normal());
const wValues = Array.from({ length: 20 }, () => random.normal());

describe('gate', () => {
  it('is the softmax of W_g R(x) on its two largest', () => {
    // R = [1, 2]; W_g rows [0, 0], [ln 2, 0], [0, ln 2]: logits 0, ln 2, 2 ln 2; softmax [1, 2, 4] / 7; kept 4/6 and 2/6.
    const ln2 = Math.log(2);
    const { gates, chosen, probabilities, values } = gate(tf.tensor2d([[1, 2]]), {
      weight: tf.tensor2d([
        [0, 0],
        [ln2, 0],
        [0, ln2],
      ]),
      experts: 3,
    });
    expect(chosen).toEqual([[2, 1]]);
    [0, 1 / 3, 2 / 3].forEach((g, e) => expect(gates.dataSync()[e]).toBeCloseTo(g, 6));
    [1 / 7, 2 / 7, 4 / 7].forEach((p, e) => expect(probabilities[e]).toBeCloseTo(p, 6));
    expect(values).toEqual(gates.dataSync());
  });

  const cases = [1, 2].flatMap((topK) =>
    [true, false].flatMap((renormalize) => [undefined, 5].map((seed) => ({ topK, renormalize, seed }))),
  );
  it.each(cases)('agrees with central differences: %o', ({ topK, renormalize, seed }) => {
    const value = weigh({ experts: 5, topK, renormalize }, seed);
    const x = tf.tensor2d(xValues, [2, 4]);
    const w = tf.tensor2d(wValues, [5, 4]);
    const [dx, dw] = tf.grads(value)([x, w]);
    const step = 1e-2;
    const difference = (values: number[], make: (moved: number[]) => tf.Scalar, i: number): number => {
      const at = (delta: number): number =>
        make(values.map((v, j) => (i === j ? v + delta : v))).dataSync()[0] ?? NaN;
      return (at(step) - at(-step)) / (2 * step);
    };
    xValues.forEach((_, i) => {
      const expected = difference(xValues, (moved) => value(tf.tensor2d(moved, [2, 4]), w), i);
      expect(Math.abs((dx?.dataSync()[i] ?? NaN) - expected)).toBeLessThan(1e-3);
    });
    wValues.forEach((_, i) => {
      const expected = difference(wValues, (moved) => value(x, tf.tensor2d(moved, [5, 4])), i);
      expect(Math.abs((dw?.dataSync()[i] ?? NaN) - expected)).toBeLessThan(1e-3);
    });
  });

  it('draws noise of standard deviation noise / E, in training alone', () => {
    const rows = 4000;
    const quiet = { weight: tf.zeros([8, 1]) as tf.Tensor2D, experts: 8, random: createRandom(3) };
    const x = tf.zeros([rows, 1]) as tf.Tensor2D;
    // Logits are the noise alone, so ln p_e - mean_e ln p_e is the noise less its row mean: variance std^2 (1 - 1/8).
    const { probabilities } = gate(x, { ...quiet, training: true });
    let sum = 0;
    for (let r = 0; r < rows; r += 1) {
      const logs = [...probabilities.subarray(r * 8, r * 8 + 8)].map(Math.log);
      const mean = logs.reduce((a, b) => a + b) / 8;
      sum += logs.reduce((a, b) => a + (b - mean) ** 2, 0);
    }
    expect(Math.sqrt(sum / (rows * 7))).toBeCloseTo(1 / 8, 3);
    expect(new Set(gate(x, quiet).probabilities)).toEqual(new Set([0.125]));
    expect(new Set(gate(x, { ...quiet, training: true, noise: 0 }).probabilities)).toEqual(new Set([0.125]));
  });

  it('leaves one tensor and reads its inputs once', () => {
    const x = tf.tensor2d(xValues, [2, 4]);
    const weight = tf.tensor2d(wValues, [5, 4]);
    const before = tf.memory().numTensors;
    const { gates } = gate(x, { weight, experts: 5 });
    expect(tf.memory().numTensors).toBe(before + 1);
    gates.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('says what it expected', () => {
    const x = tf.tensor2d(xValues, [2, 4]);
    const weight = tf.tensor2d(wValues, [4, 5]);
    expect(() => gate(x, { weight, experts: 5 })).toThrow(
      'gate: expected a weight of shape [experts, width] = [5, 4], got [4, 5]; a gate weight is [out, in]',
    );
    expect(() => gate(x, { weight: tf.tensor2d(wValues, [5, 4]), experts: 5, training: true })).toThrow(
      'gate: expected a random stream for the training noise, got none; pass random, or noise: 0 to go without',
    );
    expect(() => gate(x, { weight: tf.tensor2d(wValues, [5, 4]), experts: 5, noise: -1 })).toThrow(
      'gate: expected noise of at least 0 (in units of 1/E), got -1; 0 turns it off',
    );
  });
});
