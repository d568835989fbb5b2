/** dispatchedLinear against loops over its formulas, value and every gradient, on every engine. */
import { createRandom, type Random } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { dispatchedLinear, type DispatchPlan, type LinearExpert } from '../src/index.ts';
import { gradientError, leakedTensors, maximumDifference, testEngines } from '../src/testing.ts';

interface Layer {
  readonly count: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly experts: number;
  readonly gelu: boolean;
}

interface Problem extends Layer {
  readonly x: Float32Array;
  readonly gates: Float32Array;
  /** By expert, [O, I]. */
  readonly weights: readonly Float32Array[];
  readonly biases: readonly Float32Array[];
  /** Gradient to the result, [N, O]. */
  readonly dy: Float32Array;
  readonly plan: DispatchPlan;
}

const draw = (random: Random, length: number): Float32Array =>
  Float32Array.from({ length }, () => random.normal());

/** Each token takes up to `most` experts, some none. */
const drawProblem = (layer: Layer, most: number, seed: number): Problem => {
  const { count, inputs, outputs, experts } = layer;
  const random = createRandom(seed);
  const groups: number[][] = Array.from({ length: experts }, () => []);
  for (let token = 0; token < count; token += 1) {
    const ids = new Set(Array.from({ length: random.integer(most + 1) }, () => random.integer(experts)));
    for (const e of ids) groups[e]?.push(token);
  }
  const starts = [0];
  for (const group of groups) starts.push((starts.at(-1) ?? 0) + group.length);
  return {
    ...layer,
    x: draw(random, count * inputs),
    gates: draw(random, count * experts).map(Math.abs),
    weights: groups.map(() => draw(random, outputs * inputs)),
    biases: groups.map(() => draw(random, outputs)),
    dy: draw(random, count * outputs),
    plan: { tokens: Int32Array.from(groups.flat()), starts: Int32Array.from(starts) },
  };
};

/** The standard normal distribution function by its power series: good to 1e-12 for |x| < 6. */
const phi = (x: number): number => {
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n += 1) {
    term *= (-x * x) / (2 * n);
    sum += term / (2 * n + 1);
  }
  return 0.5 + sum / Math.sqrt(2 * Math.PI);
};
const gelu = (x: number): number => (x < -6 ? 0 : x > 6 ? x : x * phi(x));
const slope = (x: number): number =>
  (x < -6 ? 0 : x > 6 ? 1 : phi(x)) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);

interface Answer {
  readonly y: Float64Array;
  readonly dx: Float64Array;
  readonly dGates: Float64Array;
  readonly dWeights: readonly Float64Array[];
  readonly dBiases: readonly Float64Array[];
}

/** The formulas at the head of dispatched-linear.ts, slot by slot. */
const plain = (p: Problem): Answer => {
  const { count, inputs, outputs, experts, plan } = p;
  const z = new Float64Array(count * outputs);
  const answer = {
    y: new Float64Array(count * outputs),
    dx: new Float64Array(count * inputs),
    dGates: new Float64Array(count * experts),
    dWeights: p.weights.map(({ length }) => new Float64Array(length)),
    dBiases: p.biases.map(({ length }) => new Float64Array(length)),
  };
  const at = (array: ArrayLike<number> | undefined, i: number): number => array?.[i] ?? NaN;
  const add = (array: Float64Array | undefined, i: number, value: number): void => {
    if (array) array[i] = at(array, i) + value;
  };
  const slots: [number, number][] = [];
  for (let e = 0; e < experts; e += 1) {
    for (const n of plan.tokens.subarray(plan.starts[e], plan.starts[e + 1])) slots.push([n, e]);
  }
  const value = (n: number, e: number, o: number): number => {
    let sum = at(p.biases[e], o);
    for (let i = 0; i < inputs; i += 1) sum += at(p.weights[e], o * inputs + i) * at(p.x, n * inputs + i);
    return sum;
  };
  for (const [n, e] of slots)
    for (let o = 0; o < outputs; o += 1)
      add(z, n * outputs + o, at(p.gates, n * experts + e) * value(n, e, o));
  z.forEach((preactivation, i) => (answer.y[i] = p.gelu ? gelu(preactivation) : preactivation));
  for (const [n, e] of slots) {
    const gate = at(p.gates, n * experts + e);
    for (let o = 0; o < outputs; o += 1) {
      const index = n * outputs + o;
      const dz = at(p.dy, index) * (p.gelu ? slope(at(z, index)) : 1);
      add(answer.dGates, n * experts + e, dz * value(n, e, o));
      add(answer.dBiases[e], o, gate * dz);
      for (let i = 0; i < inputs; i += 1) {
        add(answer.dx, n * inputs + i, gate * dz * at(p.weights[e], o * inputs + i));
        add(answer.dWeights[e], o * inputs + i, gate * dz * at(p.x, n * inputs + i));
      }
    }
  }
  return answer;
};

const expertsOf = (tensors: readonly tf.Tensor[]): LinearExpert[] =>
  Array.from({ length: tensors.length / 2 }, (_, e) => ({
    weight: tensors[2 * e] as tf.Tensor2D,
    bias: tensors[2 * e + 1] as tf.Tensor1D,
  }));

const tensorsOf = (p: Problem): tf.Tensor[] => [
  tf.tensor2d(p.x, [p.count, p.inputs]),
  tf.tensor2d(p.gates, [p.count, p.experts]),
  ...p.weights.flatMap((weight, e) => [
    tf.tensor2d(weight, [p.outputs, p.inputs]),
    tf.tensor1d(p.biases[e] ?? []),
  ]),
];

const apply = (p: Problem, [x, gates, ...rest]: readonly tf.Tensor[]): tf.Tensor2D =>
  dispatchedLinear(x as tf.Tensor2D, {
    gates: gates as tf.Tensor2D,
    experts: expertsOf(rest),
    plan: p.plan,
    activation: p.gelu ? 'gelu' : 'none',
  });

/** Experts without a slot are no inputs: they take part with weight 0 so that tf.grads accepts them. */
const withAll = (value: tf.Tensor, given: readonly tf.Tensor[]): tf.Tensor =>
  given.reduce((sum, tensor) => tf.add(sum, tf.mul(tf.sum(tensor), 0)), value);

const engines = await testEngines();

describe.each(engines)('dispatchedLinear on $title', (engine) => {
  beforeAll(() => engine.use());

  it('sums what its experts make of a token, by its gates', () => {
    // x = [1, 2], [3, 4], [5, 6], [7, 8]; W_0 = [1, 1], b_0 = 1; W_1 = [2, 0], b_1 = 0; expert 2 has no slot.
    // Token 0: 0.5 (3 + 1) = 2. Token 1: 0.25 (7 + 1) + 0.75 * 6 = 6.5. Token 2: none. Token 3: 2 * 14 = 28.
    const y = tf.tidy(() =>
      dispatchedLinear(tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]), {
        gates: tf.tensor2d([0.5, 9, 9, 0.25, 0.75, 9, 9, 9, 9, 9, 2, 9], [4, 3]),
        experts: [
          { weight: tf.tensor2d([[1, 1]]), bias: tf.tensor1d([1]) },
          { weight: tf.tensor2d([[2, 0]]), bias: tf.tensor1d([0]) },
          { weight: tf.tensor2d([[5, 5]]), bias: tf.tensor1d([5]) },
        ],
        plan: { tokens: Int32Array.from([0, 1, 1, 3]), starts: Int32Array.from([0, 2, 4, 4]) },
      }).dataSync(),
    );
    expect([...y]).toEqual([2, 6.5, 0, 28]);
  });

  it('equals loops over its slots, value and every gradient', () => {
    const size = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          count: fc.integer({ min: 1, max: 70 }),
          inputs: size,
          outputs: size,
          experts: fc.integer({ min: 1, max: 5 }),
          most: fc.integer({ min: 1, max: 4 }),
          gelu: fc.boolean(),
        }),
        ({ seed, most, ...layer }) => {
          const problem = drawProblem(layer, most, seed);
          const expected = plain(problem);
          tf.tidy(() => {
            const tensors = tensorsOf(problem);
            const value = apply(problem, tensors);
            const f = (...given: tf.Tensor[]): tf.Tensor => withAll(apply(problem, given), given);
            const [dx, dGates, ...rest] = tf.grads(f)(
              tensors,
              tf.tensor2d(problem.dy, [problem.count, problem.outputs]),
            );
            const { inputs, outputs } = problem;
            // With the usual size of a sum of as many normal terms: terms may cancel, roundings do not.
            const results: [string, tf.Tensor | undefined, Float64Array | undefined, number][] = [
              ['y', value, expected.y, Math.sqrt(inputs)],
              ['dx', dx, expected.dx, Math.sqrt(outputs)],
              ['dGates', dGates, expected.dGates, Math.sqrt(inputs * outputs)],
            ];
            problem.weights.forEach((_, e) => {
              results.push([`dWeight ${e}`, rest[2 * e], expected.dWeights[e], 1]);
              results.push([`dBias ${e}`, rest[2 * e + 1], expected.dBiases[e], 1]);
            });
            for (const [name, got, wanted = new Float64Array(), usual] of results) {
              const scale = wanted.reduce((most, one) => Math.max(most, Math.abs(one)), usual);
              const worst = maximumDifference(got?.dataSync() ?? [], wanted);
              expect(worst / scale, name).toBeLessThan(engine.tolerance);
            }
          });
        },
      ),
      { numRuns: 8, seed: 1 },
    );
  });

  it('leaks nothing, forward and backward', () => {
    const problem = drawProblem({ count: 9, inputs: 4, outputs: 3, experts: 3, gelu: true }, 2, 3);
    const tensors = tensorsOf(problem);
    const run = (): void => {
      const gradients = tf.grads((...given: tf.Tensor[]) => withAll(apply(problem, given), given))(tensors);
      tf.dispose([apply(problem, tensors), gradients]);
    };
    run();
    expect(leakedTensors(run)).toEqual({ tensors: 0, buffers: 0 });
    tf.dispose(tensors);
  });

  it('gives zeros where nobody has a slot', () => {
    tf.tidy(() => {
      const problem = drawProblem({ count: 3, inputs: 2, outputs: 4, experts: 2, gelu: false }, 1, 1);
      const empty = { ...problem, plan: { tokens: new Int32Array(), starts: new Int32Array(3) } };
      expect([...apply(empty, tensorsOf(problem)).dataSync()]).toEqual(new Array(12).fill(0));
    });
  });
});

describe('dispatchedLinear', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  it.each([true, false])('has the gradient of its own central differences, gelu %s', (gelu) => {
    const problem = drawProblem({ count: 5, inputs: 3, outputs: 2, experts: 3, gelu }, 2, 11);
    const tensors = tensorsOf(problem);
    const f = (...given: tf.Tensor[]): tf.Tensor =>
      tf.sum(tf.mul(withAll(apply(problem, given), given), tf.tensor2d(problem.dy, [5, 2])));
    expect(gradientError(f, tensors)).toBeLessThan(2e-3);
    tf.dispose(tensors);
  });

  it('says what does not fit', () => {
    const problem = drawProblem({ count: 4, inputs: 2, outputs: 3, experts: 2, gelu: false }, 2, 1);
    const tensors = tensorsOf(problem);
    const planned = (tokens: number[], starts: number[]) => () =>
      apply(
        { ...problem, plan: { tokens: Int32Array.from(tokens), starts: Int32Array.from(starts) } },
        tensors,
      );
    expect(planned([0, 1], [0, 2])).toThrow(
      'dispatchedLinear: expected a plan whose starts run from 0 to 2 slots in 3 entries, got [0, 2]; make it with routeTokens of @polygate/routers',
    );
    expect(planned([0, 4], [0, 1, 2])).toThrow(
      'dispatchedLinear: expected tokens below 4, ascending within expert 1, got 4 after -1; make the plan with routeTokens of @polygate/routers',
    );
    expect(planned([1, 1], [0, 2, 2])).toThrow('ascending within expert 0, got 1 after 1');
    expect(planned([0, 1], [0, 3, 2])).toThrow('dispatchedLinear: expected');
    expect(() => apply(problem, [tf.ones([4, 3]), ...tensors.slice(1)])).toThrow(
      'dispatchedLinear: expected x [..., I] of shape [?, 2], got [4, 3]; the last axis is the input width',
    );
    expect(() => apply(problem, [tensors[0] as tf.Tensor, tf.ones([4, 3]), ...tensors.slice(2)])).toThrow(
      'dispatchedLinear: expected gates [N, E] of shape [4, 2], got [4, 3]; give one gate row for each token and one column for each expert',
    );
    tf.dispose(tensors);
  });
});
