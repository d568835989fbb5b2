import { createRandom } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  equalityMask,
  similarityCrossEntropy,
  similarityLogits,
  symmetricContrastive,
} from '../src/index.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

type Matrix = readonly (readonly number[])[];
interface Settings {
  readonly smoothing: number;
  readonly logQ?: readonly number[];
  readonly exclude?: Matrix;
  readonly weights?: readonly number[];
}

/** The definition, one term at a time, in double precision. */
const twinLoss = (logits: Matrix, labels: readonly number[], settings: Settings): number => {
  let sum = 0;
  let total = 0;
  logits.forEach((row, n) => {
    const label = labels[n] as number;
    const counted = row
      .map((value, c) => ({ value: value - (settings.logQ?.[c] ?? 0), c }))
      .filter(({ c }) => c === label || (settings.exclude?.[n]?.[c] ?? 0) === 0);
    const logSum = Math.log(counted.reduce((s, { value }) => s + Math.exp(value), 0));
    let loss = 0;
    for (const { value, c } of counted) {
      const share = (c === label ? 1 - settings.smoothing : 0) + settings.smoothing / counted.length;
      loss -= share * (value - logSum);
    }
    const weight = settings.weights?.[n] ?? 1;
    sum += weight * loss;
    total += weight;
  });
  return sum / total;
};

const options = ({ smoothing, logQ, exclude, weights }: Settings) => ({
  labelSmoothing: smoothing,
  ...(logQ ? { logQ: tf.tensor1d([...logQ]) } : {}),
  ...(exclude ? { exclude: tf.tensor2d(exclude.map((row) => [...row])) } : {}),
  ...(weights ? { weights: tf.tensor1d([...weights]) } : {}),
});

/** Central differences of a function of one matrix, in double precision. */
const differences = (at: Matrix, f: (values: Matrix) => number): number[] => {
  const gradient: number[] = [];
  at.forEach((row, i) =>
    row.forEach((_, j) => {
      const moved = (by: number): number =>
        f(at.map((r, k) => r.map((value, l) => (k === i && l === j ? value + by : value))));
      gradient.push((moved(1e-5) - moved(-1e-5)) / 2e-5);
    }),
  );
  return gradient;
};

const close = (got: ArrayLike<number>, expected: readonly number[], digits = 4): void => {
  expect(got.length).toBe(expected.length);
  expected.forEach((value, i) => expect(got[i]).toBeCloseTo(value, digits));
};

const matrix = (rows: number, columns: number, seed: number): number[][] => {
  const random = createRandom(seed);
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => 2 * random.normal()));
};

describe('similarityLogits', () => {
  it('scales the cosines, by hand', () => {
    // (0.6, 0.8) (1, 0) = 0.6; (0.6, 0.8) (0.8, 0.6) = 0.96; times 10
    tf.tidy(() => {
      const logits = similarityLogits(
        tf.tensor2d([[0.6, 0.8]]),
        tf.tensor2d([
          [1, 0],
          [0.8, 0.6],
        ]),
        tf.scalar(10),
      );
      close(logits.dataSync(), [6, 9.6]);
    });
  });

  it('refuses two widths', () => {
    tf.tidy(() => {
      expect(() => similarityLogits(tf.zeros([2, 3]), tf.zeros([4, 5]), tf.scalar(1))).toThrow(
        'similarityLogits: expected queries (N, D) and targets (C, D) of one width, got [2, 3] and [4, 5]; project both by the same head',
      );
    });
  });
});

describe('similarityCrossEntropy', () => {
  const loss = (logits: Matrix, labels: readonly number[], settings: Settings): number =>
    tf.tidy(
      () =>
        similarityCrossEntropy(
          tf.tensor2d(logits.map((row) => [...row])),
          tf.tensor1d([...labels], 'int32'),
          options(settings),
        ).dataSync()[0] as number,
    );
  // exp(ln k) = k, so these logits are counts
  const counts = (...row: readonly number[]): number[] => row.map(Math.log);

  it('gives hand-computed values', () => {
    // p = (1, 2, 5) / 8; label 1: -ln(2 / 8) = 1.386294
    expect(loss([counts(1, 2, 5)], [1], { smoothing: 0 })).toBeCloseTo(1.386294, 5);
    // smoothed by 0.3: 0.7 1.386294 + 0.1 (ln 8 + ln 4 + ln 1.6) = 0.970406 + 0.1 3.935740 = 1.363980
    expect(loss([counts(1, 2, 5)], [1], { smoothing: 0.3 })).toBeCloseTo(1.36398, 5);
    // q = (1/2, 1, 1/4): counts become 2, 2, 20; label 1: -ln(2 / 24) = 2.484907
    expect(loss([counts(1, 2, 5)], [1], { smoothing: 0, logQ: counts(0.5, 1, 0.25) })).toBeCloseTo(
      2.484907,
      5,
    );
    // third candidate excluded: -ln(2 / 3) = 0.405465; smoothed by 0.5 over two: 0.5 0.405465 + 0.25 (ln 3 + ln 1.5)
    expect(loss([counts(1, 2, 5)], [1], { smoothing: 0, exclude: [[0, 0, 1]] })).toBeCloseTo(0.405465, 5);
    expect(loss([counts(1, 2, 5)], [1], { smoothing: 0.5, exclude: [[0, 0, 1]] })).toBeCloseTo(0.578752, 5);
    // the label itself is never excluded
    expect(loss([counts(1, 2, 5)], [1], { smoothing: 0, exclude: [[0, 1, 1]] })).toBeCloseTo(0.405465, 5);
    // weights 3 and 1: (3 ln 4 + ln(8 / 5)) / 4 = 1.157220; all zero: 0
    const two = [counts(1, 2, 5), counts(1, 2, 5)];
    expect(loss(two, [1, 2], { smoothing: 0, weights: [3, 1] })).toBeCloseTo(1.15722, 5);
    expect(loss(two, [1, 2], { smoothing: 0, weights: [0, 0] })).toBe(0);
  });

  it('equals its definition over drawn sizes and settings, with the gradient of finite differences', () => {
    fc.assert(
      fc.property(
        fc.record({
          rows: fc.integer({ min: 1, max: 4 }),
          columns: fc.integer({ min: 2, max: 5 }),
          seed: fc.nat(1000),
          smoothing: fc.constantFrom(0, 0.1, 0.5),
          corrected: fc.boolean(),
          excluded: fc.boolean(),
          weighted: fc.boolean(),
        }),
        ({ rows, columns, seed, smoothing, corrected, excluded, weighted }) => {
          const random = createRandom(seed).fork('settings');
          const labels = Array.from({ length: rows }, () => random.integer(columns));
          const bits = (): number[] => Array.from({ length: columns }, () => random.integer(2));
          const settings: Settings = {
            smoothing,
            ...(corrected ? { logQ: Array.from({ length: columns }, () => -3 * random.next()) } : {}),
            ...(excluded ? { exclude: Array.from({ length: rows }, bits) } : {}),
            ...(weighted ? { weights: Array.from({ length: rows }, () => 0.1 + random.next()) } : {}),
          };
          const logits = matrix(rows, columns, seed);
          tf.tidy(() => {
            const { value, grad } = tf.valueAndGrad((x) =>
              similarityCrossEntropy(x as tf.Tensor2D, tf.tensor1d(labels, 'int32'), options(settings)),
            )(tf.tensor2d(logits));
            expect(value.dataSync()[0]).toBeCloseTo(twinLoss(logits, labels, settings), 4);
            close(
              grad.dataSync(),
              differences(logits, (x) => twinLoss(x, labels, settings)),
            );
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('has gradients to both sides and the temperature', () => {
    const [queries, targets] = [matrix(2, 3, 1), matrix(4, 3, 2)];
    const labels = [3, 0];
    const f = (q: Matrix, t: Matrix, s: number): number =>
      twinLoss(
        q.map((row) => t.map((other) => s * row.reduce((sum, x, i) => sum + x * (other[i] as number), 0))),
        labels,
        { smoothing: 0.1 },
      );
    tf.tidy(() => {
      const [dq, dt, ds] = tf.grads((q, t, s) =>
        similarityCrossEntropy(
          similarityLogits(q as tf.Tensor2D, t as tf.Tensor2D, s as tf.Scalar),
          tf.tensor1d(labels, 'int32'),
          { labelSmoothing: 0.1 },
        ),
      )([tf.tensor2d(queries), tf.tensor2d(targets), tf.scalar(0.7)]) as [tf.Tensor, tf.Tensor, tf.Tensor];
      close(
        dq.dataSync(),
        differences(queries, (x) => f(x, targets, 0.7)),
      );
      close(
        dt.dataSync(),
        differences(targets, (x) => f(queries, x, 0.7)),
      );
      close(
        ds.dataSync(),
        differences([[0.7]], ([row]) => f(queries, targets, row?.[0] as number)),
      );
    });
  });

  it('with the log-q correction estimates the whole softmax better than without', () => {
    // 40 candidates, label 0 always in; the others are in the sample with probability q proportional to their rank.
    const random = createRandom(11);
    const logits = Array.from({ length: 40 }, () => random.normal());
    const q = logits.map((_, c) => (c === 0 ? 1 : 0.1 + (0.8 * c) / 40));
    const whole = twinLoss([logits], [0], { smoothing: 0 });
    const error = { corrected: 0, plain: 0 };
    for (let draw = 0; draw < 200; draw += 1) {
      const chosen = logits.map((_, c) => c).filter((c) => random.next() < (q[c] as number));
      const row = [chosen.map((c) => logits[c] as number)];
      error.plain += loss(row, [0], { smoothing: 0 }) - whole;
      error.corrected +=
        loss(row, [0], { smoothing: 0, logQ: chosen.map((c) => Math.log(q[c] as number)) }) - whole;
    }
    expect(Math.abs(error.corrected / 200)).toBeLessThan(0.05);
    expect(Math.abs(error.plain / 200)).toBeGreaterThan(0.3);
  });

  it('says what does not fit', () => {
    tf.tidy(() => {
      const logits = tf.zeros([2, 3]) as tf.Tensor2D;
      const labels = tf.tensor1d([0, 1], 'int32');
      expect(() => similarityCrossEntropy(logits, tf.tensor1d([0], 'int32'))).toThrow(
        'similarityCrossEntropy: expected labels of shape (N) = [2], got [1]; check how the batch was collated',
      );
      expect(() => similarityCrossEntropy(logits, labels, { logQ: tf.zeros([2]) })).toThrow(
        'expected logQ of shape (C) = [3], got [2]',
      );
      expect(() => similarityCrossEntropy(logits, labels, { exclude: tf.zeros([3, 2]) })).toThrow(
        'expected exclude of shape (N, C) = [2, 3], got [3, 2]',
      );
      expect(() => similarityCrossEntropy(logits, labels, { labelSmoothing: 1 })).toThrow(
        'expected labelSmoothing in [0, 1), got 1',
      );
    });
  });
});

describe('equalityMask', () => {
  it('marks equal keys', () => {
    tf.tidy(() => {
      expect([...equalityMask([7, 9], Int32Array.of(9, 7, 7)).dataSync()]).toEqual([0, 1, 1, 1, 0, 0]);
      expect([...equalityMask(['a'], ['a', 'b']).dataSync()]).toEqual([1, 0]);
    });
  });
});

describe('symmetricContrastive', () => {
  it('takes a batch of one pair, which has nothing to be told from', () => {
    tf.tidy(() => {
      const a = tf.tensor2d([[1, 0]]);
      const options = { sameMask: tf.tensor2d([[1]]), labelSmoothing: 0.1 };
      expect(symmetricContrastive(a, a, tf.scalar(2), options).dataSync()[0]).toBeCloseTo(0, 6);
    });
  });

  it('gives the hand-computed value of two pairs', () => {
    // cosines (1, 0; 0.6, 0.8) times 2: logits (2, 0; 1.2, 1.6).
    // a to b: ln(1 + e^-2) = 0.126928; ln(1 + e^-0.4) = 0.513015; mean 0.319972
    // b to a: columns (2, 1.2): ln(1 + e^-0.8) = 0.371101; (0, 1.6): ln(1 + e^-1.6) = 0.183901; mean 0.277501
    tf.tidy(() => {
      const a = tf.tensor2d([
        [1, 0],
        [0.6, 0.8],
      ]);
      const b = tf.tensor2d([
        [1, 0],
        [0, 1],
      ]);
      expect(symmetricContrastive(a, b, tf.scalar(2)).dataSync()[0]).toBeCloseTo(0.597473, 5);
      // all alike: chance, 2 ln N
      const alike = tf.tensor2d([
        [1, 0],
        [1, 0],
      ]);
      expect(symmetricContrastive(alike, alike, tf.scalar(2)).dataSync()[0]).toBeCloseTo(2 * Math.LN2, 5);
    });
  });

  it('takes pairs that share a text out of the negatives, each way', () => {
    tf.tidy(() => {
      const a = tf.tensor2d([
        [1, 0],
        [0.6, 0.8],
      ]);
      const b = tf.tensor2d([
        [1, 0],
        [1, 0],
      ]);
      const mask = equalityMask(['same', 'same'], ['same', 'same']);
      expect(symmetricContrastive(a, b, tf.scalar(2), { sameMask: mask }).dataSync()[0]).toBeCloseTo(0, 6);
      // only b_1 also belongs to a_0: a to b loses row 0, b to a loses column 1's entry of row 0
      const oneWay = tf.tensor2d([
        [0, 1],
        [0, 0],
      ]);
      // logits (2, 2; 1.2, 1.2): a to b (0 + ln 2) / 2 = 0.346574; b to a (ln(1 + e^-0.8) + 0) / 2 = 0.185550
      expect(symmetricContrastive(a, b, tf.scalar(2), { sameMask: oneWay }).dataSync()[0]).toBeCloseTo(
        0.532124,
        5,
      );
    });
  });

  it('has the gradient of finite differences', () => {
    const [a, b] = [matrix(3, 2, 5), matrix(3, 2, 6)];
    const mask = [
      [0, 1, 0],
      [1, 0, 0],
      [0, 0, 0],
    ];
    const f = (x: Matrix, y: Matrix, s: number): number => {
      const logits = x.map((row) =>
        y.map((other) => s * row.reduce((sum, value, i) => sum + value * (other[i] as number), 0)),
      );
      const turned = logits.map((_, i) => logits.map((row) => row[i] as number));
      const settings = { smoothing: 0.2, exclude: mask };
      return twinLoss(logits, [0, 1, 2], settings) + twinLoss(turned, [0, 1, 2], settings);
    };
    tf.tidy(() => {
      const sameMask = tf.tensor2d(mask);
      const [da, db, ds] = tf.grads((x, y, s) =>
        symmetricContrastive(x as tf.Tensor2D, y as tf.Tensor2D, s as tf.Scalar, {
          labelSmoothing: 0.2,
          sameMask,
        }),
      )([tf.tensor2d(a), tf.tensor2d(b), tf.scalar(0.5)]) as [tf.Tensor, tf.Tensor, tf.Tensor];
      close(
        da.dataSync(),
        differences(a, (x) => f(x, b, 0.5)),
      );
      close(
        db.dataSync(),
        differences(b, (x) => f(a, x, 0.5)),
      );
      close(
        ds.dataSync(),
        differences([[0.5]], ([row]) => f(a, b, row?.[0] as number)),
      );
    });
  });

  it('leaks no tensors, forward and backward', () => {
    const [a, b, s] = [tf.tensor2d(matrix(3, 2, 5)), tf.tensor2d(matrix(3, 2, 6)), tf.scalar(0.5)];
    const before = tf.memory().numTensors;
    const { value, grads } = tf.valueAndGrads((x, y) =>
      symmetricContrastive(x as tf.Tensor2D, y as tf.Tensor2D, s),
    )([a, b]);
    expect(tf.memory().numTensors).toBe(before + 3);
    tf.dispose([value, ...grads, a, b, s]);
  });

  it('refuses pairs that do not match', () => {
    tf.tidy(() => {
      expect(() => symmetricContrastive(tf.zeros([2, 3]), tf.zeros([3, 3]), tf.scalar(1))).toThrow(
        'symmetricContrastive: expected pairs of one shape (N, D), got [2, 3] and [3, 3]; give each row its partner',
      );
    });
  });
});
