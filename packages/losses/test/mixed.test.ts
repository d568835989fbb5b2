/** Cross-entropy of mixed inputs, on every engine. */
import { testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { mixedCrossEntropy } from '../src/index.ts';

const engines = await testEngines();

describe.each(engines)('mixedCrossEntropy on $title', ({ use, tolerance }) => {
  beforeAll(() => use());
  const digits = tolerance > 1e-3 ? 1 : 4;

  const logits = [
    [2, -1, 0.5, 0],
    [0, 1, 3, -2],
  ];
  const mixed = { labels: Int32Array.of(2, 0), shares: Float32Array.of(0.3, 0.3) };
  // timm's mixup_target of labels 0 and 2, share 0.3, smoothing 0.1 among 4 classes (timm 1.0.31).
  const targets = [
    [0.295, 0.025, 0.655, 0.025],
    [0.655, 0.025, 0.295, 0.025],
  ];
  const softmax = (row: readonly number[]): number[] => {
    const sum = row.reduce((total, value) => total + Math.exp(value), 0);
    return row.map((value) => Math.exp(value) / sum);
  };

  it('is the cross-entropy of soft targets, with its gradient', () => {
    const expected =
      logits.reduce(
        (sum, row, n) =>
          sum - softmax(row).reduce((part, p, c) => part + (targets[n]?.[c] ?? 0) * Math.log(p), 0),
        0,
      ) / 2;
    // d/dlogits = (softmax - targets) / N
    const gradient = logits.flatMap((row, n) => softmax(row).map((p, c) => (p - (targets[n]?.[c] ?? 0)) / 2));
    tf.tidy(() => {
      const loss = (x: tf.Tensor) =>
        mixedCrossEntropy(x as tf.Tensor2D, { labels: Int32Array.of(0, 2), mixed }, { labelSmoothing: 0.1 });
      const x = tf.tensor2d(logits);
      expect(loss(x).dataSync()[0]).toBeCloseTo(expected, digits);
      const got = tf.grad(loss)(x).dataSync();
      gradient.forEach((value, i) => expect(got[i]).toBeCloseTo(value, digits));
    });
  });

  it('is the plain one where nothing was mixed in', () => {
    tf.tidy(() => {
      const one = { labels: Int32Array.of(3, 3), shares: Float32Array.of(1, 1) };
      const loss = mixedCrossEntropy(tf.tensor2d(logits), { labels: Int32Array.of(0, 2), mixed: one });
      const expected =
        -(Math.log(softmax(logits[0] ?? [])[0] ?? 0) + Math.log(softmax(logits[1] ?? [])[2] ?? 0)) / 2;
      expect(loss.dataSync()[0]).toBeCloseTo(expected, digits);
    });
  });

  it('refuses shares that are none', () => {
    const bad = { labels: Int32Array.of(2, 0), shares: Float32Array.of(0.3, 1.5) };
    expect(() => mixedCrossEntropy(tf.tensor2d(logits), { labels: Int32Array.of(0, 2), mixed: bad })).toThrow(
      'mixedCrossEntropy: expected 2 shares from 0 to 1, got 1.5',
    );
  });
});
