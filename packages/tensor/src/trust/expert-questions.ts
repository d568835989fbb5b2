/**
 * Linear layers of experts: merged ones, whose weights are sums of experts for each row of gates, and dispatched ones,
 * whose experts are chosen token by token. Axes: N tokens · I inputs · O outputs · E experts · R gate rows.
 */
import type * as tf from '@tensorflow/tfjs';
import { conditionalLinear } from '../conditional-linear.ts';
import { dispatchedLinear } from '../dispatched-linear.ts';
import { bilinear, columnSums, knownTensor, plusBias, productTerms, tensorOf, type Known } from './known.ts';
import { withGradients, type Part, type Question } from './question.ts';

const EXPERTS = 3;
const INPUTS = 40;
const OUTPUTS = 35;

/** Weights and biases of the experts, an eighth as large as other numbers. */
const drawExperts = (seed: number): { readonly weights: Known[]; readonly biases: Known[] } => {
  const ids = Array.from({ length: EXPERTS }, (_, e) => e);
  return {
    weights: ids.map((e) => {
      const { shape, values } = knownTensor([OUTPUTS, INPUTS], seed + e);
      return { shape, values: values.map((value) => value / 8) };
    }),
    biases: ids.map((e) => knownTensor([OUTPUTS], seed + EXPERTS + e)),
  };
};

const named = (weights: readonly Known[], biases: readonly Known[]): Record<string, tf.Tensor> =>
  Object.fromEntries([
    ...weights.map((weight, e) => [`the weight of expert ${e}`, tensorOf(weight)]),
    ...biases.map((bias, e) => [`the bias of expert ${e}`, tensorOf(bias)]),
  ]);

const expertsOf = (tensors: readonly tf.Tensor[]) =>
  Array.from({ length: EXPERTS }, (_, e) => ({
    weight: tensors[e] as tf.Tensor2D,
    bias: tensors[EXPERTS + e] as tf.Tensor1D,
  }));

const addTo = (sum: Float64Array, values: Float64Array, factor: number): void =>
  values.forEach((value, at) => (sum[at] = (sum[at] as number) + factor * value));
const inner = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, value, at) => sum + value * (b[at] as number), 0);

/** Gradients of experts, set to zero. */
const zeroGradients = () => ({
  weights: Array.from({ length: EXPERTS }, () => new Float64Array(OUTPUTS * INPUTS)),
  biases: Array.from({ length: EXPERTS }, () => new Float64Array(OUTPUTS)),
});

const rightOf = ({ weights, biases }: ReturnType<typeof zeroGradients>): Record<string, Float64Array> =>
  Object.fromEntries([
    ...weights.map((gradient, e) => [`the weight of expert ${e}`, gradient]),
    ...biases.map((gradient, e) => [`the bias of expert ${e}`, gradient]),
  ]);

const merged: Question = {
  name: 'linear layer of merged experts',
  family: 'expert',
  slack: 2,
  ask: (): Part[] => {
    const spans = [
      { row: 0, start: 0, length: 33 },
      { row: 1, start: 33, length: 13 },
    ];
    const length = 46;
    const chosen = [
      [0, 2],
      [1, 2],
    ];
    const x = knownTensor([1, length, INPUTS], 61);
    const gates: Known = { shape: [2, EXPERTS], values: Float64Array.of(0.75, 0, 0.25, 0, 0.5, 0.5) };
    const dy = knownTensor([1, length, OUTPUTS], 62);
    const { weights, biases } = drawExperts(63);
    const result = new Float64Array(dy.values.length);
    const dx = new Float64Array(x.values.length);
    const dGates = new Float64Array(2 * EXPERTS);
    const gradients = zeroGradients();
    for (const { row, start, length: rows } of spans) {
      const weight = new Float64Array(OUTPUTS * INPUTS);
      const bias = new Float64Array(OUTPUTS);
      const gateOf = (e: number): number => gates.values[row * EXPERTS + e] as number;
      for (const e of chosen[row] ?? []) {
        addTo(weight, (weights[e] as Known).values, gateOf(e));
        addTo(bias, (biases[e] as Known).values, gateOf(e));
      }
      const spanRows = x.values.subarray(start * INPUTS, (start + rows) * INPUTS);
      const upstream = dy.values.subarray(start * OUTPUTS, (start + rows) * OUTPUTS);
      const terms = productTerms({ rows, inner: INPUTS, columns: OUTPUTS }, { transposeB: true });
      const { y, da, db } = bilinear(terms, spanRows, weight, upstream);
      result.set(plusBias(y, bias), start * OUTPUTS);
      dx.set(da, start * INPUTS);
      const sums = columnSums(upstream, OUTPUTS);
      for (const e of chosen[row] ?? []) {
        addTo(gradients.weights[e] as Float64Array, db, gateOf(e));
        addTo(gradients.biases[e] as Float64Array, sums, gateOf(e));
        dGates[row * EXPERTS + e] =
          inner(db, (weights[e] as Known).values) + inner(sums, (biases[e] as Known).values);
      }
    }
    return withGradients(
      (tokens, table, ...rest) =>
        conditionalLinear(tokens as tf.Tensor3D, {
          gates: table as tf.Tensor2D,
          experts: expertsOf(rest),
          chosen,
          segments: spans,
        }),
      { x: tensorOf(x), 'the gates': tensorOf(gates), ...named(weights, biases) },
      { dy: tensorOf(dy), right: { result, x: dx, 'the gates': dGates, ...rightOf(gradients) } },
    );
  },
};

/** @param takes whether a token takes an expert */
const dispatched = (name: string, takes: (token: number, expert: number) => boolean): Question => ({
  name,
  family: 'expert',
  slack: 2,
  ask: (): Part[] => {
    const count = 59;
    const groups = Array.from({ length: EXPERTS }, (_, e) =>
      Array.from({ length: count }, (_unused, n) => n).filter((n) => takes(n, e)),
    );
    const starts = groups.reduce<number[]>((all, group) => [...all, (all.at(-1) ?? 0) + group.length], [0]);
    const x = knownTensor([count, INPUTS], 71);
    const gates = knownTensor([count, EXPERTS], 72);
    const dy = knownTensor([count, OUTPUTS], 73);
    const { weights, biases } = drawExperts(74);
    const result = new Float64Array(dy.values.length);
    const dx = new Float64Array(x.values.length);
    const dGates = new Float64Array(count * EXPERTS);
    const gradients = zeroGradients();
    const terms = productTerms({ rows: 1, inner: INPUTS, columns: OUTPUTS }, { transposeB: true });
    groups.forEach((tokens, e) => {
      for (const n of tokens) {
        const tokenRow = x.values.subarray(n * INPUTS, (n + 1) * INPUTS);
        const upstream = dy.values.subarray(n * OUTPUTS, (n + 1) * OUTPUTS);
        const gate = gates.values[n * EXPERTS + e] as number;
        const { y, da, db } = bilinear(terms, tokenRow, (weights[e] as Known).values, upstream);
        const output = plusBias(y, (biases[e] as Known).values);
        addTo(result.subarray(n * OUTPUTS, (n + 1) * OUTPUTS), output, gate);
        addTo(dx.subarray(n * INPUTS, (n + 1) * INPUTS), da, gate);
        addTo(gradients.weights[e] as Float64Array, db, gate);
        addTo(gradients.biases[e] as Float64Array, upstream, gate);
        dGates[n * EXPERTS + e] = inner(output, upstream);
      }
    });
    const plan = { tokens: Int32Array.from(groups.flat()), starts: Int32Array.from(starts) };
    return withGradients(
      (tokens, table, ...rest) =>
        dispatchedLinear(tokens, { gates: table as tf.Tensor2D, experts: expertsOf(rest), plan }),
      { x: tensorOf(x), 'the gates': tensorOf(gates), ...named(weights, biases) },
      { dy: tensorOf(dy), right: { result, x: dx, 'the gates': dGates, ...rightOf(gradients) } },
    );
  },
});

/** Every eleventh token takes no expert. */
const isServed = (token: number): boolean => token % 11 !== 10;

export const expertQuestions: readonly Question[] = [
  merged,
  // Two neighbouring experts, and for every seventh token one alone.
  dispatched(
    'linear layer of experts chosen by token',
    (n, e) => isServed(n) && (n % EXPERTS === e || (n % 7 !== 0 && (n + 1) % EXPERTS === e)),
  ),
  dispatched('linear layer of one expert chosen by token', (n, e) => isServed(n) && n % EXPERTS === e),
];
