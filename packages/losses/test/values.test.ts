/** Losses of numbers, by hand and against their gradients. */
import { meanSquaredError, multiLabelCrossEntropy } from '@polygate/losses';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('losses of numbers', () => {
  it('compare each label of a row with its flag', () => {
    const logits = tf.tensor2d([0, 2, -40, 40], [2, 2]);
    // -ln sigmoid(0) = ln 2; -ln(1 - sigmoid(2)) = ln(1 + e^2) = 2.126928; the other two are right and sure: 0.
    const flags = Float32Array.of(1, 0, 0, 1);
    expect(multiLabelCrossEntropy(logits, flags).dataSync()[0]).toBeCloseTo((0.693147 + 2.126928) / 4, 5);
    // d/dx = (sigmoid(x) - t) / 4
    const gradient = tf.grad((x: tf.Tensor) => multiLabelCrossEntropy(x as tf.Tensor2D, flags))(logits);
    expect([...gradient.dataSync()].map((each) => Number(each.toFixed(5)))).toEqual([-0.125, 0.2202, 0, 0]);
  });

  it('take the mean of squared errors', () => {
    const outputs = tf.tensor2d([1, 2, 3, 5], [2, 2]);
    expect(meanSquaredError(outputs, Float32Array.of(1, 4, 3, 4)).dataSync()[0]).toBe(5 / 4);
  });

  it('refuse another number of values than outputs', () => {
    expect(() => meanSquaredError(tf.zeros([2, 2]), new Float32Array(3))).toThrow(
      'meanSquaredError: expected 2 x 2 values, one for each output, got 3; give as many as there are targets',
    );
  });
});
