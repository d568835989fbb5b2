import { createRandom } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import {
  conditionalLinear,
  dispatchedLinear,
  linear,
  segmentLinear,
  type LinearExpert,
} from '@polygate/tensor';
import { randomTensor, relativeDifference, testEngines } from '@polygate/tensor/testing';

const random = createRandom(5);
const BATCH = 2;
const LENGTH = 5;
const INPUTS = 4;
const OUTPUTS = 3;
const EXPERTS = 3;

const make = <R extends tf.Rank>(shape: number[]): tf.Tensor<R> => randomTensor<R>(random, shape);
const experts = (): LinearExpert[] =>
  Array.from({ length: EXPERTS }, () => ({
    weight: make<tf.Rank.R2>([OUTPUTS, INPUTS]),
    bias: make<tf.Rank.R1>([OUTPUTS]),
  }));
const flat = (all: readonly LinearExpert[]): tf.Tensor[] => all.flatMap(({ weight, bias }) => [weight, bias]);
const paired = (tensors: readonly tf.Tensor[]): LinearExpert[] =>
  Array.from({ length: tensors.length / 2 }, (_, at) => ({
    weight: tensors[2 * at] as tf.Tensor2D,
    bias: tensors[2 * at + 1] as tf.Tensor1D,
  }));

/** Value and gradients of sum(f(...xs) * probe). */
const run = (f: (...xs: tf.Tensor[]) => tf.Tensor, xs: readonly tf.Tensor[], probe: tf.Tensor) => {
  const { value, grads } = tf.valueAndGrads((...given: tf.Tensor[]) =>
    tf.sum(tf.mul(f(...given), probe)).asScalar(),
  )([...xs]);
  return { value, grads };
};

const same = (got: tf.Tensor | undefined, wanted: tf.Tensor | undefined, tolerance: number): void => {
  expect(got?.shape).toEqual(wanted?.shape);
  expect(
    relativeDifference((got as tf.Tensor).dataSync(), (wanted as tf.Tensor).dataSync()),
  ).toBeLessThanOrEqual(tolerance);
};

/**
 * A rate of r for some rows is what two passes give: the gradient is linear in dy, so those of weights are rate times
 * what the rows give alone, summed; all else is what it is without rates.
 */
const check = (
  apply: (xs: readonly tf.Tensor[], rated: boolean) => tf.Tensor,
  parts: {
    readonly xs: readonly tf.Tensor[];
    /** dy of the rows of each rate, alone. */
    readonly probes: readonly { readonly rate: number; readonly dy: tf.Tensor }[];
    /** Which of xs are weights and biases. */
    readonly isWeight: (at: number) => boolean;
  },
  tolerance: number,
): void =>
  tf.tidy(() => {
    const { xs, probes, isWeight } = parts;
    const all = tf.addN(probes.map(({ dy }) => dy));
    const rated = run((...given) => apply(given, true), xs, all);
    const plain = run((...given) => apply(given, false), xs, all);
    same(rated.value, plain.value, 0);
    const alone = probes.map(({ rate, dy }) => ({ rate, ...run((...given) => apply(given, false), xs, dy) }));
    xs.forEach((_, at) => {
      const wanted = isWeight(at)
        ? tf.addN(alone.map(({ rate, grads }) => tf.mul(grads[at] as tf.Tensor, rate)))
        : plain.grads[at];
      same(rated.grads[at], wanted, isWeight(at) ? tolerance : tolerance / 10);
    });
  });

const column = (values: readonly number[], shape: number[]): tf.Tensor => tf.tensor([...values], shape);

describe.each(await testEngines())('rates of rows in weight gradients: $title', ({ use, tolerance }) => {
  const rates = [0.25, 2] as const;
  // Tokens 0 and 1 of every sample have the first rate, 2 to 4 the second.
  const tokenRates = [0.25, 0.25, 2, 2, 2];
  const segments = [
    { row: 0, start: 0, length: 2 },
    { row: 1, start: 2, length: 3 },
  ];
  const probesOf = (dy: tf.Tensor) =>
    rates.map((rate) => ({
      rate,
      dy: tf.mul(
        dy,
        column(
          tokenRates.map((each) => Number(each === rate)),
          [1, LENGTH, 1],
        ),
      ),
    }));
  const rows = () => tf.tile(column(tokenRates, [1, LENGTH]), [BATCH, 1]);

  it.each(['none', 'gelu'] as const)('of linear (%s)', async (activation) => {
    await use();
    const [x, weight, bias] = [make([BATCH, LENGTH, INPUTS]), make([OUTPUTS, INPUTS]), make([OUTPUTS])];
    check(
      ([a, b, c], rated) =>
        linear(a as tf.Tensor, b as tf.Tensor2D, c as tf.Tensor1D, {
          activation,
          weightRates: rated ? rows() : undefined,
        }),
      { xs: [x, weight, bias], probes: probesOf(make([BATCH, LENGTH, OUTPUTS])), isWeight: (at) => at > 0 },
      tolerance,
    );
  });

  it.each(['none', 'gelu'] as const)('of segmentLinear (%s)', async (activation) => {
    await use();
    const merged = experts().slice(0, 2);
    check(
      ([x, ...weights], rated) =>
        segmentLinear(x as tf.Tensor3D, paired(weights), segments, {
          activation,
          weightRates: rated ? [...rates] : undefined,
        }),
      {
        xs: [make([BATCH, LENGTH, INPUTS]), ...flat(merged)],
        probes: probesOf(make([BATCH, LENGTH, OUTPUTS])),
        isWeight: (at) => at > 0,
      },
      tolerance,
    );
  });

  it.each(['none', 'gelu'] as const)('of conditionalLinear (%s)', async (activation) => {
    await use();
    const gates = tf.tensor2d([
      [0.7, 0.3, 0],
      [0, 0.6, 0.4],
    ]);
    const chosen = [
      [0, 1],
      [1, 2],
    ];
    check(
      ([x, g, ...weights], rated) =>
        conditionalLinear(x as tf.Tensor3D, {
          gates: g as tf.Tensor2D,
          experts: paired(weights),
          chosen,
          segments,
          activation,
          weightRates: rated ? [...rates] : undefined,
        }),
      {
        xs: [make([BATCH, LENGTH, INPUTS]), gates, ...flat(experts())],
        probes: probesOf(make([BATCH, LENGTH, OUTPUTS])),
        isWeight: (at) => at > 1,
      },
      tolerance,
    );
  });

  it.each(['none', 'gelu'] as const)('of dispatchedLinear (%s)', async (activation) => {
    await use();
    const count = BATCH * LENGTH;
    // Token n is served by experts n mod 3 and, when even, n + 1 mod 3.
    const byExpert = Array.from({ length: EXPERTS }, (_, e) =>
      Array.from({ length: count }, (_unused, n) => n).filter(
        (n) => n % EXPERTS === e || (n % 2 === 0 && (n + 1) % EXPERTS === e),
      ),
    );
    const starts = Int32Array.from([0, ...byExpert.map(({ length }) => length)]);
    for (let e = 1; e < starts.length; e += 1) starts[e] = (starts[e] ?? 0) + (starts[e - 1] ?? 0);
    const plan = { starts, tokens: Int32Array.from(byExpert.flat()) };
    const gates = tf.abs(make<tf.Rank.R2>([count, EXPERTS]));
    check(
      ([x, g, ...weights], rated) =>
        dispatchedLinear(x as tf.Tensor3D, {
          gates: g as tf.Tensor2D,
          experts: paired(weights),
          plan,
          activation,
          weightRates: rated ? rows() : undefined,
        }),
      {
        xs: [make([BATCH, LENGTH, INPUTS]), gates, ...flat(experts())],
        probes: probesOf(make([BATCH, LENGTH, OUTPUTS])),
        isWeight: (at) => at > 1,
      },
      tolerance,
    );
  });

  it('refuses rates of another number of rows, and below 0', async () => {
    await use();
    const x = make<tf.Rank.R3>([BATCH, LENGTH, INPUTS]);
    const merged = experts().slice(0, 2);
    const weight = make<tf.Rank.R2>([OUTPUTS, INPUTS]);
    expect(() => linear(x, weight, undefined, { weightRates: tf.ones([LENGTH]) })).toThrow(
      'linear: expected weightRates of shape [2, 5], got [5]; give one factor for each row of x',
    );
    expect(() => segmentLinear(x, merged, segments, { weightRates: [1, -1] })).toThrow(
      'segmentLinear: expected weightRates of 2 rows, each at least 0, got [1, -1]; give 1 for rows that learn as without',
    );
  });
});
