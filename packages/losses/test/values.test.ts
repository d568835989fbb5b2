/** Losses of numbers, by hand and against their gradients. */
import { meanSquaredError, multiLabelCrossEntropy } from '@polygate/losses';
import { testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';

const engines = await testEngines();

describe.each(engines)('losses of numbers on $title', ({ use }) => {
  beforeAll(use);

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

  it('are 0 of no rows, with a gradient', () => {
    for (const loss of [meanSquaredError, multiLabelCrossEntropy]) {
      tf.tidy(() => {
        const of = (x: tf.Tensor): tf.Scalar => loss(x as tf.Tensor2D, new Float32Array(0));
        const { value, grad } = tf.valueAndGrad(of)(tf.zeros([0, 2]));
        expect([...value.dataSync(), grad.shape]).toEqual([0, [0, 2]]);
      });
    }
  });

  it('refuse another number of values than outputs', () => {
    expect(() => meanSquaredError(tf.zeros([2, 2]), new Float32Array(3))).toThrow(
      'meanSquaredError: expected 2 x 2 values, one for each output, got 3; give as many as there are targets',
    );
  });
});
