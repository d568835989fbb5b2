/**
 * Cross-entropy, embedding, layer norm and attention at the edges of the numbers, on every engine: infinities, NaN, labels
 * and ids out of range, constant and fully masked rows. Expected values by the definition in double precision.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  attention,
  attentionPool,
  embedding,
  layerNorm,
  linear,
  poolingAttention,
  residual,
  softmaxCrossEntropy,
} from '../src/index.ts';
import { leakedTensors, testEngines } from '../src/testing.ts';

const engines = await testEngines();
const { LN2 } = Math;
const NONE = { tensors: 0, buffers: 0 };

interface Definition {
  readonly loss: number;
  readonly gradient: readonly number[];
}

/** The definition for one row whose label is among its finite logits. */
const definition = (row: readonly number[], label: number, smoothing: number): Definition => {
  const maximum = Math.max(...row);
  const sum = row.reduce((total, value) => total + Math.exp(value - maximum), 0);
  const open = row.filter((value) => value > -Infinity).length;
  let loss = 0;
  const gradient = row.map((value, c) => {
    if (value === -Infinity && c !== label) return 0;
    const target = (c === label ? 1 - smoothing : 0) + (value === -Infinity ? 0 : smoothing / open);
    loss -= target * (value - maximum - Math.log(sum));
    return Math.exp(value - maximum) / sum - target;
  });
  return { loss, gradient };
};

type Rows = readonly (readonly number[])[];

const crossEntropy = (
  rows: Rows,
  labels: readonly number[],
  rest: { readonly labelSmoothing?: number; readonly ignoreIndex?: number; readonly asTensor?: boolean } = {},
) =>
  tf.tidy(() => {
    const { asTensor = false, ...options } = rest;
    const logits = tf.tensor2d(rows.map((row) => [...row]));
    const ids = asTensor ? tf.tensor1d([...labels], 'int32') : labels;
    const losses = [...softmaxCrossEntropy(logits, ids, options).dataSync()];
    const gradient = tf.grad((x) => tf.sum(softmaxCrossEntropy(x as tf.Tensor2D, ids, options)))(logits);
    return { losses, gradient: [...gradient.dataSync()] };
  });

const close = (got: ArrayLike<number>, expected: readonly number[], digits = 5): void => {
  expect(got.length).toBe(expected.length);
  expected.forEach((value, i) => {
    if (Number.isFinite(value)) expect(got[i], `at ${i}`).toBeCloseTo(value, digits);
    else expect(got[i], `at ${i}`).toBe(value);
  });
};

describe.each(engines)('on $title', (engine) => {
  beforeAll(() => engine.use());

  describe('softmaxCrossEntropy', () => {
    it.each([0, 0.1])('shuts out classes of -Infinity, smoothed by %d', (labelSmoothing) => {
      const rows = [
        [1, 2, -Infinity],
        [-Infinity, 0.5, -Infinity],
        [3, -1, 0.25],
        [-Infinity, 80, -80],
      ];
      const labels = [0, 1, 2, 1];
      const expected = rows.map((row, n) => definition(row, labels[n] ?? NaN, labelSmoothing));
      // ln(1 + e) = 1.3133
      if (labelSmoothing === 0) expect(expected[0]?.loss).toBeCloseTo(1.3132617, 6);
      for (const asTensor of [false, true]) {
        const { losses, gradient } = crossEntropy(rows, labels, { labelSmoothing, asTensor });
        close(
          losses,
          expected.map(({ loss }) => loss),
        );
        close(
          gradient,
          expected.flatMap((each) => each.gradient),
        );
      }
    });

    it.each([0, 0.1])('costs infinity where the label is shut out, smoothed by %d', (labelSmoothing) => {
      const { losses, gradient } = crossEntropy([[0, -Infinity, 0]], [1], { labelSmoothing });
      expect(losses).toEqual([Infinity]);
      const share = 0.5 - labelSmoothing / 2;
      close(gradient, [share, labelSmoothing - 1, share]);
    });

    it.each([0, 0.1])(
      'is NaN in rows without a softmax, and in no other, smoothed by %d',
      (labelSmoothing) => {
        const rows = [
          [0, 0],
          [NaN, 0],
          [0, NaN],
          [Infinity, 0],
          [0, Infinity],
          [-Infinity, -Infinity],
          [0, 0],
        ];
        const { losses, gradient } = crossEntropy(rows, [0, 0, 0, 0, 0, 0, 1], { labelSmoothing });
        close(losses, [LN2, NaN, NaN, NaN, NaN, NaN, LN2]);
        const share = 0.5 - labelSmoothing / 2;
        close(gradient, [-share, share, ...Array<number>(10).fill(NaN), share, -share]);
      },
    );

    it.each([false, true])(
      'ignores rows of the index, whatever they hold; labels as a tensor: %s',
      (asTensor) => {
        const rows = [
          [0, 0, 0],
          [NaN, Infinity, 1],
          [-Infinity, -Infinity, -Infinity],
        ];
        for (const ignoreIndex of [-100, -1, 7]) {
          const labels = [2, ignoreIndex, ignoreIndex];
          const { losses, gradient } = crossEntropy(rows, labels, { ignoreIndex, asTensor });
          close(losses, [Math.log(3), 0, 0]);
          close(gradient, [1 / 3, 1 / 3, -2 / 3, 0, 0, 0, 0, 0, 0]);
        }
        // One that is a class, too.
        close(crossEntropy([[0, 0]], [1], { ignoreIndex: 1, asTensor }).losses, [0]);
      },
    );

    it.each([
      [[0, 3], 3],
      [[0, -1], -1],
      [[0, -100], -100],
      [[0, 2 ** 30], 2 ** 30],
    ])('refuses labels %j, which are no classes', (labels, bad) => {
      const rows = [
        [1, 2, 3],
        [1, 2, 3],
      ];
      for (const asTensor of [false, true]) {
        for (const labelSmoothing of [0, 0.1]) {
          const before = tf.memory().numTensors;
          expect(() => crossEntropy(rows, labels, { asTensor, labelSmoothing })).toThrow(
            `softmaxCrossEntropy: expected labels in [0, 3), got ${bad} at row 1; are they of another set of classes? Rows that should not count have the label ignoreIndex`,
          );
          expect(tf.memory().numTensors).toBe(before);
        }
      }
    });

    it('refuses labels between classes, as a tensor too', () => {
      tf.tidy(() => {
        const logits = tf.zeros<tf.Rank.R2>([2, 3]);
        for (const bad of [0.5, NaN]) {
          const text = `softmaxCrossEntropy: expected labels in [0, 3), got ${bad} at row 0`;
          expect(() => softmaxCrossEntropy(logits, [bad, 1])).toThrow(text);
          expect(() => softmaxCrossEntropy(logits, tf.tensor1d([bad, 1]))).toThrow(text);
          expect(() => softmaxCrossEntropy(logits, tf.tensor1d([bad, 1]), { ignoreIndex: 1 })).toThrow(text);
        }
      });
    });

    it('refuses logits of whole numbers', () => {
      tf.tidy(() => {
        const logits = tf.zeros<tf.Rank.R2>([1, 3], 'int32');
        expect(() => softmaxCrossEntropy(logits, [0])).toThrow(
          "softmaxCrossEntropy: expected logits of float32, got int32; convert it by tf.cast(tensor, 'float32')",
        );
      });
    });

    it('of no class is 0 where all rows are ignored', () => {
      tf.tidy(() => {
        const none = tf.zeros<tf.Rank.R2>([2, 0]);
        const loss = (x: tf.Tensor): tf.Tensor =>
          softmaxCrossEntropy(x as tf.Tensor2D, [-1, -1], { ignoreIndex: -1 });
        close(loss(none).dataSync(), [0, 0]);
        expect(tf.grad(loss)(none).shape).toEqual([2, 0]);
        expect(() => softmaxCrossEntropy(none, tf.tensor1d([0, -1], 'int32'), { ignoreIndex: -1 })).toThrow(
          'softmaxCrossEntropy: expected labels in [0, 0), got 0 at row 0',
        );
      });
    });

    it('leaks nothing', () => {
      const logits = tf.tensor2d([[1, 2, -Infinity]]);
      for (const labels of [[0], [-1]]) {
        const options = { labelSmoothing: 0.1, ignoreIndex: -1 };
        expect(leakedTensors(() => softmaxCrossEntropy(logits, labels, options).dispose())).toEqual(NONE);
        expect(
          leakedTensors(() =>
            tf
              .grad((x) => tf.sum(softmaxCrossEntropy(x as tf.Tensor2D, labels, options)))(logits)
              .dispose(),
          ),
        ).toEqual(NONE);
      }
      logits.dispose();
    });
  });

  it('embedding refuses ids of another vocabulary', () => {
    const table = tf.ones<tf.Rank.R2>([4, 2]);
    for (const id of [4, -1, 1000]) {
      expect(() => embedding(table, tf.tensor1d([0, id], 'int32'))).toThrow(
        `embedding: expected ids in [0, 4), got ${id} at position 1; is it of another vocabulary?`,
      );
    }
    table.dispose();
  });

  it('layerNorm of constant rows is beta, and its gradient finite', () => {
    tf.tidy(() => {
      const x = tf.tensor2d([
        [5, 5, 5],
        [0, 0, 0],
        [-1e6, -1e6, -1e6],
      ]);
      const [gamma, beta] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([0.5, 0, -1])];
      close(layerNorm(x, gamma, beta).dataSync(), [0.5, 0, -1, 0.5, 0, -1, 0.5, 0, -1], 4);
      // g = gamma (dy is one): (g - mean g) / sqrt(epsilon) = [-1, 0, 1] / sqrt(1e-5)
      const dx = tf.grad((value) => tf.sum(layerNorm(value as tf.Tensor2D, gamma, beta)))(x);
      const scale = 1 / Math.sqrt(1e-5);
      close(
        dx.dataSync().map((value) => value / scale),
        [-1, 0, 1, -1, 0, 1, -1, 0, 1],
        4,
      );
    });
  });

  it('attention shuts out keys of -Infinity', () => {
    // One head of width 1, q = k = 0: even weights over the keys that are seen.
    const qkv = tf.tensor3d([0, 0, 1, 0, 0, 2, 0, 0, 6], [1, 3, 3]);
    const hidden = -Infinity;
    const mask = tf.tensor4d([0, hidden, hidden, 0, 0, hidden, 0, 0, 0], [1, 1, 3, 3]);
    close(attention(qkv, { heads: 1, mask }).dataSync(), [1, 1.5, 3], engine.title.includes('bf16') ? 1 : 5);
    const dx = tf.grad((x) => tf.sum(attention(x as tf.Tensor3D, { heads: 1, mask })))(qkv);
    // Each value's gradient is the sum of its weights: 1 + 1/2 + 1/3, 1/2 + 1/3, 1/3
    close(
      [2, 5, 8].map((at) => dx.dataSync()[at] ?? NaN),
      [11 / 6, 5 / 6, 1 / 3],
      engine.title.includes('bf16') ? 1 : 5,
    );
    tf.dispose([qkv, mask, dx]);
  });

  it('attention of a query that sees nothing is NaN, and of no other', () => {
    const qkv = tf.tensor3d([0, 0, 1, 0, 0, 3], [1, 2, 3]);
    const mask = tf.tensor4d([-Infinity, -Infinity, 0, 0], [1, 1, 2, 2]);
    close(attention(qkv, { heads: 1, mask }).dataSync(), [NaN, 2]);
    tf.dispose([qkv, mask]);
  });

  it('attention of no samples is empty', () => {
    tf.tidy(() => {
      const none = tf.zeros<tf.Rank.R3>([0, 2, 3]);
      expect(attention(none, { heads: 1 }).shape).toEqual([0, 2, 1]);
      expect(tf.grad((x) => attention(x as tf.Tensor3D, { heads: 1 }))(none).shape).toEqual([0, 2, 3]);
    });
  });

  it('linear refuses inputs of no features and of whole numbers', () => {
    tf.tidy(() => {
      const weight = tf.zeros<tf.Rank.R2>([3, 0]);
      expect(() => linear(tf.zeros([2, 0]), weight)).toThrow(
        'linear: expected at least one input feature, got none; is the last axis of x empty?',
      );
      expect(() => linear(tf.zeros([2, 3], 'int32'), tf.zeros<tf.Rank.R2>([1, 3]))).toThrow(
        'linear: expected x of float32, got int32',
      );
    });
  });

  describe('poolingAttention', () => {
    it.each([NaN, Infinity, -Infinity])('does not look at tokens of %d that are not visible', (value) => {
      tf.tidy(() => {
        const x = tf.tensor3d([1, 2, value, value, value, 1, 2, 3], [2, 2, 2]);
        const queries = tf.tensor3d([1, 1, 1, 1], [2, 1, 2]);
        const visible = tf.tensor2d([1, 0, 0, 0], [2, 2]);
        const pool = (tokens: tf.Tensor, q: tf.Tensor): tf.Tensor =>
          poolingAttention(tokens as tf.Tensor3D, q as tf.Tensor3D, { visible });
        close(pool(x, queries).dataSync(), [1, 2, 0, 0]);
        const [dx, dq] = tf.grads(pool)([x, queries]);
        close(dx?.dataSync() ?? [], [1, 1, 0, 0, 0, 0, 0, 0]);
        close(dq?.dataSync() ?? [], [0, 0, 0, 0]);
      });
    });

    it('counts a visible token however low its score is', () => {
      tf.tidy(() => {
        const x = tf.tensor3d([-4e9, 2, 1, 1], [1, 2, 2]);
        const visible = tf.tensor2d([1, 0], [1, 2]);
        const pooled = poolingAttention(x, tf.tensor3d([1, 1], [1, 1, 2]), { visible }).dataSync();
        expect((pooled[0] ?? 0) / -4e9).toBeCloseTo(1, 2);
        expect(pooled[1]).toBeCloseTo(2, 2);
      });
    });
  });

  it.each([NaN, Infinity, -Infinity])('attentionPool does not look at hidden tokens of %d', (value) => {
    tf.tidy(() => {
      const [matrix, vector] = [tf.eye(2), tf.zeros<tf.Rank.R1>([2])];
      const weights = {
        queryWeight: matrix,
        queryBias: vector,
        keyWeight: matrix,
        valueWeight: matrix,
        valueBias: vector,
        outputWeight: matrix,
        outputBias: vector,
      };
      const visible = tf.tensor2d([1, 0, 0, 0], [2, 2]);
      const pool = (x: tf.Tensor, valueWeight: tf.Tensor): tf.Tensor =>
        attentionPool(x as tf.Tensor3D, { ...weights, valueWeight: valueWeight as tf.Tensor2D }, { visible });
      const x = tf.tensor3d([1, 2, value, value, value, 1, 2, 3], [2, 2, 2]);
      close(pool(x, matrix).dataSync(), [1, 2, 0, 0]);
      // Of its own, since the other weights are `matrix`.
      const [dx, dw] = tf.grads(pool)([x, tf.eye(2)]);
      close(dx?.dataSync() ?? [], [1, 1, 0, 0, 0, 0, 0, 0]);
      close(dw?.dataSync() ?? [], [1, 2, 1, 2]);
    });
  });

  it.each([NaN, Infinity])('residual does not look at a dropped branch of %d', (value) => {
    tf.tidy(() => {
      const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
      const branch = tf.tensor2d([value, value, 1, 2], [2, 2]);
      const keep = tf.tensor1d([0, 2]);
      close(residual(x, branch, { keep }).dataSync(), [1, 2, 5, 8]);
      const [dx, db, dScale] = tf.grads((a, b, scale) =>
        residual(a, b, { keep, scale: scale as tf.Tensor1D }),
      )([x, branch, tf.tensor1d([1, 10])]);
      close(dx?.dataSync() ?? [], [1, 1, 1, 1]);
      close(db?.dataSync() ?? [], [0, 0, 2, 20]);
      close(dScale?.dataSync() ?? [], [2, 4]);
    });
  });
});
