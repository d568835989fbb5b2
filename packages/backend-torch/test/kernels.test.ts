import * as fc from 'fast-check';
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { describeOnTorch, on, torchBackend } from './torch-suite.ts';

const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 0, maxLength: 4 });
const seeds = fc.integer({ min: 1, max: 1 << 30 });
const runs = { numRuns: 12 };

const normal = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);

/** The torch engine gives what the reference gives, to float32 rounding. */
const agree = async (compute: () => tf.Tensor, tolerance = 1e-4): Promise<void> => {
  const expected = await on('cpu', compute);
  const got = await on('torch', compute);
  expect(got.shape).toEqual(expected.shape);
  expect(got.dtype).toBe(expected.dtype);
  expected.values.forEach((value, i) => {
    const actual = got.values[i] ?? NaN;
    if (Number.isNaN(value)) expect(actual).toBeNaN();
    else if (!Number.isFinite(value)) expect(actual).toBe(value);
    else expect(Math.abs(actual - value)).toBeLessThanOrEqual(tolerance * (1 + Math.abs(value)));
  });
};

const UNARY: Readonly<Record<string, (x: tf.Tensor) => tf.Tensor>> = {
  exp: tf.exp,
  expm1: tf.expm1,
  log1p: (x) => tf.log1p(tf.abs(x)),
  sqrt: (x) => tf.sqrt(tf.abs(x)),
  rsqrt: (x) => tf.rsqrt(tf.add(tf.abs(x), 0.1)),
  tanh: tf.tanh,
  sigmoid: tf.sigmoid,
  softplus: tf.softplus,
  erf: tf.erf,
  elu: tf.elu,
  selu: tf.selu,
  relu6: tf.relu6,
  leakyRelu: (x) => tf.leakyRelu(x, 0.3),
  round: (x) => tf.round(tf.mul(x, 2)),
  sign: tf.sign,
  softmax: (x) => (x.rank === 0 ? x : tf.softmax(x)),
};

describeOnTorch('kernels agree with the reference backend', () => {
  it.each(Object.entries(UNARY))('%s, forward and gradient', async (_, f) => {
    await fc.assert(
      fc.asyncProperty(shapes, seeds, async (shape, seed) => {
        await agree(() => f(normal(shape, seed)));
        await agree(() => tf.grad((x: tf.Tensor) => tf.sum(f(x)))(normal(shape, seed)));
      }),
      { numRuns: 6 },
    );
  });

  const SUMMING: ReadonlySet<unknown> = new Set([tf.add, tf.sub, tf.mul, tf.div]);

  it('broadcasting arithmetic, forward and gradient', async () => {
    const operations = [
      tf.add,
      tf.sub,
      tf.mul,
      tf.div,
      tf.maximum,
      tf.minimum,
      tf.squaredDifference,
    ] as const;
    await fc.assert(
      fc.asyncProperty(shapes, fc.array(fc.boolean()), seeds, async (shape, drop, seed) => {
        const other = shape.map((extent, i) => (drop[i] === true ? 1 : extent));
        for (const operation of operations) {
          const compute = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => operation(a, b) as tf.Tensor;
          const inputs = (): [tf.Tensor, tf.Tensor] => [normal(shape, seed), normal(other, seed + 1)];
          await agree(() => compute(...inputs()));
          // tfjs's own gradients of the others do not sum over broadcast axes, on any backend.
          if (!SUMMING.has(operation)) continue;
          await agree(() => {
            const [da, db] = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(compute(a, b)))(inputs());
            return tf.concat([tf.reshape(da as tf.Tensor, [-1]), tf.reshape(db as tf.Tensor, [-1])]);
          });
        }
      }),
      { numRuns: 5 },
    );
  });

  it('reductions over any axes', async () => {
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.array(fc.boolean()),
        fc.boolean(),
        seeds,
        async (shape, chosen, keep, seed) => {
          const axes = shape.map((_, i) => i).filter((i) => chosen[i] === true);
          const axis = axes.length === 0 ? undefined : axes;
          for (const reduce of [tf.sum, tf.mean, tf.max, tf.min, tf.prod]) {
            await agree(() => reduce(normal(shape, seed), axis, keep));
          }
        },
      ),
      runs,
    );
  });

  it('matrix products with either factor transposed', async () => {
    const extent = fc.integer({ min: 1, max: 7 });
    await fc.assert(
      fc.asyncProperty(extent, extent, extent, fc.boolean(), fc.boolean(), async (m, k, n, ta, tb) => {
        await agree(() =>
          tf.matMul(normal(ta ? [k, m] : [m, k], 1), normal(tb ? [n, k] : [k, n], 2), ta, tb),
        );
        await agree(() =>
          tf.matMul(normal(ta ? [3, k, m] : [3, m, k], 1), normal(tb ? [3, n, k] : [3, k, n], 2), ta, tb),
        );
      }),
      runs,
    );
  });

  it('convolutions of any padding, stride and dilation, with both gradients', async () => {
    const size = fc.integer({ min: 4, max: 8 });
    await fc.assert(
      fc.asyncProperty(
        size,
        size,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom('same' as const, 'valid' as const),
        async (height, width, kernel, stride, pad) => {
          const image = (): tf.Tensor4D => normal([2, height, width, 3], 1) as tf.Tensor4D;
          const filter = (): tf.Tensor4D => normal([kernel, kernel, 3, 2], 2) as tf.Tensor4D;
          for (const convolve of [tf.conv2d, tf.depthwiseConv2d]) {
            await agree(() => convolve(image(), filter(), stride, pad));
            await agree(() => {
              const f = (x: tf.Tensor, w: tf.Tensor): tf.Tensor =>
                tf.sum(tf.square(convolve(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad)));
              const [dx, dw] = tf.grads(f)([image(), filter()]);
              return tf.concat([tf.reshape(dx as tf.Tensor, [-1]), tf.reshape(dw as tf.Tensor, [-1])]);
            }, 1e-3);
          }
          await agree(() =>
            tf.conv2d(image(), normal([2, 2, 3, 2], 3) as tf.Tensor4D, 1, 'valid', 'NHWC', 2),
          );
        },
      ),
      // A window of 4 is padded by 1 before and 2 after: the case that ATen's own padding can't do.
      { numRuns: 8, examples: [[6, 7, 4, 1, 'same']] },
    );
  });

  it('gradients of strided pointwise filters, which write past no buffer of the library', async () => {
    // oneDNN's own gradient of these books 3 or 1 channels a position and writes 8: kilobytes past the buffer of each size,
    // found when the next size frees it.
    for (const [extent, channels, stride, format] of [
      [8, 3, 2, 'NHWC'],
      [8, 3, 3, 'NHWC'],
      [8, 3, 2, 'NCHW'],
      [16, 3, 2, 'NHWC'],
      [48, 1, 2, 'NHWC'],
      [64, 3, 2, 'NHWC'],
      [80, 3, 3, 'NHWC'],
    ] as const) {
      const rest = extent - 2;
      const shape = format === 'NHWC' ? [2, extent, rest, channels] : [2, channels, extent, rest];
      const f = (x: tf.Tensor, w: tf.Tensor): tf.Tensor =>
        tf.sum(tf.square(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, 'valid', format)));
      await agree(() => {
        const [dx, dw] = tf.grads(f)([normal(shape, 1), normal([1, 1, channels, 2], 2)]);
        return tf.concat([tf.mean(dx as tf.Tensor, [1, 2]).flatten(), (dw as tf.Tensor).flatten()]);
      }, 1e-3);
    }
  });

  it('gather, its gradient, and segment sums with ids out of range', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 9 }),
        async (ids) => {
          await agree(() => tf.gather(normal([5, 3], 1), tf.tensor1d(ids, 'int32')));
          await agree(() =>
            tf.grad((x: tf.Tensor) => tf.sum(tf.square(tf.gather(x, tf.tensor1d(ids, 'int32')))))(
              normal([5, 3], 1),
            ),
          );
          await agree(() =>
            tf.unsortedSegmentSum(
              normal([ids.length, 2], 2),
              tf.tensor1d(
                ids.map((id) => id - 1),
                'int32',
              ),
              3,
            ),
          );
        },
      ),
      runs,
    );
  });

  it('running sums and products in every direction', async () => {
    for (const exclusive of [false, true]) {
      for (const reverse of [false, true]) {
        for (const axis of [0, 1, 2]) {
          await agree(() => tf.cumsum(normal([2, 3, 4], 1), axis, exclusive, reverse));
          await agree(() => tf.cumprod(normal([2, 3, 4], 1), axis, exclusive, reverse));
        }
      }
    }
  });
});

describeOnTorch('int32 and bool', () => {
  const values = (x: tf.Tensor): number[] => {
    const result = [...x.dataSync()];
    x.dispose();
    return result;
  };
  const int = (...numbers: number[]): tf.Tensor1D => tf.tensor1d(numbers, 'int32');

  it('int32 stays int32, divides towards minus infinity, and gives 0 for a division by zero', () => {
    const quotient = tf.floorDiv(int(7, -7, 7, -7, 5), int(2, 2, -2, -2, 0));
    expect(quotient.dtype).toBe('int32');
    // floor(3.5), floor(-3.5), floor(-3.5), floor(3.5); JavaScript stores an infinite quotient as 0
    expect(values(quotient)).toEqual([3, -4, -4, 3, 0]);
    expect(values(tf.mod(int(7, -7), int(3, 3)))).toEqual([1, 2]);
    expect(values(tf.pow(int(2, 3), int(10, 3)))).toEqual([1024, 27]);
  });

  it('int32 sums wrap at 32 bits', () => {
    const sum = tf.sum(int(2 ** 31 - 1, 1));
    expect(sum.dtype).toBe('int32');
    expect(values(sum)).toEqual([-(2 ** 31)]);
  });

  it('sums of bool count, comparisons give bool, casts to bool ask for non-zero', () => {
    const truth = tf.greater(tf.tensor1d([1, 2, 3]), 1.5);
    expect(truth.dtype).toBe('bool');
    const count = tf.sum(truth);
    expect(count.dtype).toBe('int32');
    expect(values(count)).toEqual([2]);
    expect(values(tf.cast(tf.tensor1d([0, 0.25, -3]), 'bool'))).toEqual([0, 1, 1]);
  });

  it('casts of float32 to int32 truncate, and NaN becomes 0', () => {
    expect(values(tf.cast(tf.tensor1d([1.9, -1.9, NaN]), 'int32'))).toEqual([1, -1, 0]);
  });

  it('topk gives the lower index first among equals', () => {
    const { values: top, indices } = tf.topk(tf.tensor1d([2, 7, 7, 1, 7]), 3);
    expect(values(top)).toEqual([7, 7, 7]);
    expect(values(indices)).toEqual([1, 2, 4]);
  });

  it('an index out of range is an error, not a crash', () => {
    expect(() => tf.gather(tf.ones([3, 2]), int(1, 3))).toThrow(
      'GatherV2: the index value 3 is not in [0, 2]',
    );
    expect(() => tf.gather(tf.ones([3, 2]), int(-1))).toThrow(
      'GatherV2: the index value -1 is not in [0, 2]',
    );
  });
});

describeOnTorch('views', () => {
  it('a transpose moves no data, and a reshape of it is right', () => {
    tf.tidy(() => {
      const x = tf.reshape(tf.range(0, 6), [2, 3]);
      const transposed = tf.transpose(x);
      expect(torchBackend().context.describe(transposed).strides).toEqual([1, 3]);
      expect([...tf.reshape(transposed, [6]).dataSync()]).toEqual([0, 3, 1, 4, 2, 5]);
      expect([...tf.transpose(tf.reshape(transposed, [2, 3])).dataSync()]).toEqual([0, 4, 3, 2, 1, 5]);
    });
  });
});
