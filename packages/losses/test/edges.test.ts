/**
 * Losses at the edges of the numbers, on every engine: what is excluded, ignored or of weight 0 is not looked at, whatever
 * it holds; labels that are no candidates are refused; what has no value is NaN.
 */
import { testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  similarityCrossEntropy,
  symmetricContrastive,
  type SimilarityCrossEntropyOptions,
} from '../src/index.ts';

const engines = await testEngines();

type Rows = readonly (readonly number[])[];
const matrix = (rows: Rows): tf.Tensor2D => tf.tensor2d(rows.map((row) => [...row]));

const evaluate = (
  rows: Rows,
  labels: readonly number[],
  options: () => SimilarityCrossEntropyOptions,
): { readonly loss: number; readonly gradient: readonly number[] } =>
  tf.tidy(() => {
    const loss = (x: tf.Tensor): tf.Scalar => similarityCrossEntropy(x as tf.Tensor2D, labels, options());
    const logits = matrix(rows);
    const [value = NaN] = loss(logits).dataSync();
    return { loss: value, gradient: [...tf.grad(loss)(logits).dataSync()] };
  });

/** Central differences in the logits that are finite; others have none. */
const differences = (rows: Rows, f: (rows: Rows) => number): number[] =>
  rows.flatMap((row, i) =>
    row.map((value, j) => {
      if (!Number.isFinite(value)) return 0;
      const moved = (by: number): number =>
        f(rows.map((numbers, k) => numbers.map((v, l) => (k === i && l === j ? v + by : v))));
      return (moved(1e-5) - moved(-1e-5)) / 2e-5;
    }),
  );

/** Mean over rows of weight above 0 of the smoothed cross-entropy among what is kept and not -Infinity, in double. */
const plain = (
  rows: Rows,
  labels: readonly number[],
  { smoothing, excluded, weights }: { smoothing: number; excluded?: Rows; weights?: readonly number[] },
): number => {
  let [sum, total] = [0, 0];
  rows.forEach((row, n) => {
    const weight = weights?.[n] ?? 1;
    if (weight === 0) return;
    const label = labels[n] as number;
    const kept = row.flatMap((value, c) =>
      (c === label || excluded?.[n]?.[c] !== 1) && value > -Infinity ? [{ value, isLabel: c === label }] : [],
    );
    const logSum = Math.log(kept.reduce((s, { value }) => s + Math.exp(value), 0));
    for (const { value, isLabel } of kept) {
      sum -= weight * ((isLabel ? 1 - smoothing : 0) + smoothing / kept.length) * (value - logSum);
    }
    total += weight;
  });
  return sum / total;
};

describe.each(engines)('on $title', (engine) => {
  beforeAll(() => engine.use());

  const agree = (got: ReturnType<typeof evaluate>, rows: Rows, f: (rows: Rows) => number): void => {
    expect(got.loss).toBeCloseTo(f(rows), 5);
    differences(rows, f).forEach((value, i) => expect(got.gradient[i], `at ${i}`).toBeCloseTo(value, 4));
  };

  describe.each([0, 0.1])('smoothed by %d', (smoothing) => {
    const labelSmoothing = smoothing;

    it.each([NaN, Infinity, -Infinity])('does not look at excluded candidates of %d', (value) => {
      const rows = [
        [1, 2, value, -1],
        [value, 0.5, 3, 1],
      ];
      const excluded = [
        [0, 0, 1, 0],
        // the own label counts though it is excluded
        [1, 1, 0, 0],
      ];
      const got = evaluate(rows, [0, 1], () => ({ labelSmoothing, exclude: matrix(excluded) }));
      agree(got, rows, (at) => plain(at, [0, 1], { smoothing, excluded }));
    });

    it.each([NaN, Infinity, -Infinity])(
      'does not look at rows of weight 0 or ignored ones of %d',
      (value) => {
        const rows = [
          [1, 2, 3],
          [value, value, value],
          [0.5, -1, 2],
        ];
        const weights = [2, 0, 0.5];
        const weighed = evaluate(rows, [0, 1, 2], () => ({ labelSmoothing, weights: tf.tensor1d(weights) }));
        agree(weighed, rows, (at) => plain(at, [0, 1, 2], { smoothing, weights }));
        const ignored = evaluate(rows, [0, -100, 2], () => ({ labelSmoothing, ignoreIndex: -100 }));
        agree(ignored, rows, (at) => plain(at, [0, 0, 2], { smoothing, weights: [1, 0, 1] }));
        const both = evaluate(rows, [0, -100, 2], () => ({
          labelSmoothing,
          ignoreIndex: -100,
          weights: tf.tensor1d([2, 1, 0.5]),
        }));
        agree(both, rows, (at) => plain(at, [0, 0, 2], { smoothing, weights }));
      },
    );

    it('leaves out candidates of -Infinity, which may be all but one', () => {
      const rows = [
        [1, 2, -Infinity],
        [-Infinity, 3, -Infinity],
      ];
      const got = evaluate(rows, [0, 1], () => ({ labelSmoothing }));
      agree(got, rows, (at) => plain(at, [0, 1], { smoothing }));
    });

    it('is 0 where nothing counts, and NaN where what counts has no softmax', () => {
      const nothing = evaluate([[NaN, 1]], [-1], () => ({ labelSmoothing, ignoreIndex: -1 }));
      expect([nothing.loss, ...nothing.gradient].every((value) => value === 0)).toBe(true);
      for (const value of [NaN, Infinity]) {
        expect(evaluate([[value, 1]], [1], () => ({ labelSmoothing })).loss).toBeNaN();
      }
    });
  });

  it('is 0 with a gradient of nothing for no queries and no pairs', () => {
    tf.tidy(() => {
      const none = tf.zeros<tf.Rank.R2>([0, 3]);
      const { value, grad } = tf.valueAndGrad((x) => similarityCrossEntropy(x as tf.Tensor2D, []))(none);
      expect(value.dataSync()[0]).toBe(0);
      expect(grad.shape).toEqual([0, 3]);
      const excluded = similarityCrossEntropy(none, [], { exclude: none });
      expect(excluded.dataSync()[0]).toBe(0);
      const pairs = tf.zeros<tf.Rank.R2>([0, 2]);
      const both = (a: tf.Tensor, b: tf.Tensor, temperature: tf.Tensor): tf.Scalar =>
        symmetricContrastive(a as tf.Tensor2D, b as tf.Tensor2D, temperature as tf.Scalar);
      const contrast = tf.valueAndGrads(both)([pairs, pairs.clone(), tf.scalar(10)]);
      expect(contrast.value.dataSync()[0]).toBe(0);
      expect(contrast.grads.map(({ shape }) => shape)).toEqual([[0, 2], [0, 2], []]);
      expect(contrast.grads[2]?.dataSync()[0]).toBe(0);
    });
  });

  it('divides by the weights however small they are', () => {
    const rows = [
      [0, 1],
      [1, 2],
    ];
    const { loss } = evaluate(rows, [0, 1], () => ({ weights: tf.tensor1d([1e-14, 1e-14]) }));
    expect(loss).toBeCloseTo((Math.log(1 + Math.E) + Math.log(1 + Math.exp(-1))) / 2, 5);
  });

  it('refuses negative weights, or has no loss where it cannot read them', () => {
    tf.tidy(() => {
      const [logits, weights] = [tf.zeros<tf.Rank.R2>([2, 2]), tf.tensor1d([1, -1])];
      if (tf.getBackend() === 'torch') {
        expect(similarityCrossEntropy(logits, [0, 1], { weights }).dataSync()[0]).toBeNaN();
        return;
      }
      expect(() => similarityCrossEntropy(logits, [0, 1], { weights })).toThrow(
        'similarityCrossEntropy: expected weights of 0 or more, got -1 for query 1; a query of weight 0 does not count',
      );
    });
  });

  it('refuses labels that are no candidates, as a tensor too', () => {
    const text =
      'softmaxCrossEntropy: expected labels in [0, 2), got 2 at row 0; are they of another set of classes?';
    tf.tidy(() => {
      const logits = matrix([[1, 2]]);
      expect(() => similarityCrossEntropy(logits, [2])).toThrow(text);
      expect(() => similarityCrossEntropy(logits, tf.tensor1d([2], 'int32'))).toThrow(text);
      expect(() => similarityCrossEntropy(logits, [2], { exclude: tf.zeros([1, 2]) })).toThrow(text);
    });
  });

  it('compares pairs apart from masked ones, whatever the similarity of those', () => {
    // Cosines 1 on the diagonal, NaN for the masked pair (0, 1) and its mirror: nothing else is left to compare with.
    tf.tidy(() => {
      const a = matrix([
        [1, 0],
        [0, 1],
      ]);
      const sameMask = matrix([
        [0, 1],
        [1, 0],
      ]);
      const f = (t: tf.Tensor): tf.Scalar =>
        symmetricContrastive(a, a, t as tf.Scalar, { sameMask, labelSmoothing: 0.1 });
      expect(f(tf.scalar(5)).dataSync()[0]).toBeCloseTo(0, 6);
      expect(tf.grad(f)(tf.scalar(5)).dataSync()[0]).toBeCloseTo(0, 6);
    });
  });
});
