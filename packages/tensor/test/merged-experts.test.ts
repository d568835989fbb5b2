/**
 * The merged computation of conditionalLinear against the explicit one (every chosen expert computed on its tokens and
 * weighed by its gate): the value and the gradients of input, experts and gates, on every engine; gates as a router
 * makes them, with noise, top-1 and top-2, renormalised or not.
 */
import { createRandom, type Random } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  conditionalLinear,
  mergeExperts,
  segmentLinear,
  type LinearExpert,
  type SegmentSpan,
} from '../src/index.ts';
import { leakedTensors, maximumDifference, randomTensor, testEngines } from '../src/testing.ts';

const EXPERTS = 4;
const segments: readonly SegmentSpan[] = [
  { row: 0, start: 0, length: 2 },
  { row: 1, start: 2, length: 1 },
  { row: 1, start: 3, length: 0 },
  { row: 0, start: 3, length: 2 },
];

/** softmax(logits + noise), the largest k kept, divided by their sum when renormalised. */
const draw = (
  random: Random,
  { k, noise, renormalize }: { k: number; noise: boolean; renormalize: boolean },
) => {
  const gates = new Float32Array(2 * EXPERTS);
  const chosen = [0, 1].map((row) => {
    const weights = Array.from({ length: EXPERTS }, () =>
      Math.exp(random.normal() + (noise ? random.normal() / EXPERTS : 0)),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const ids = weights
      .map((_, e) => e)
      .sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0))
      .slice(0, k);
    const kept = ids.reduce((sum, e) => sum + (weights[e] ?? 0), 0);
    for (const e of ids) gates[row * EXPERTS + e] = (weights[e] ?? 0) / (renormalize ? kept : total);
    return ids;
  });
  return { gates: tf.tensor2d(gates, [2, EXPERTS]), chosen };
};

const expertsOf = (tensors: readonly tf.Tensor[]): LinearExpert[] =>
  Array.from({ length: EXPERTS }, (_, e) => ({
    weight: tensors[e] as tf.Tensor2D,
    bias: tensors[EXPERTS + e] as tf.Tensor1D,
  }));

/** sum over the chosen experts of gate * (x W_e^T + b_e), span by span, in plain tfjs. */
const explicit = (
  x: tf.Tensor3D,
  gates: tf.Tensor2D,
  experts: LinearExpert[],
  chosen: readonly number[][],
): tf.Tensor3D => {
  const [batch, , width] = x.shape;
  const parts = segments.flatMap(({ row, start, length }) => {
    if (length === 0) return [];
    const rows = tf.reshape(tf.slice(x, [0, start, 0], [batch, length, width]), [batch * length, width]);
    const terms = (chosen[row] ?? []).map((id) => {
      const { weight, bias } = experts[id] as LinearExpert;
      const gate = tf.reshape(tf.slice(gates, [row, id], [1, 1]), []);
      return tf.mul(gate, tf.add(tf.matMul(rows, weight, false, true), bias));
    });
    return [tf.reshape(tf.addN(terms), [batch, length, -1])];
  });
  return tf.concat(parts, 1) as tf.Tensor3D;
};

const engines = await testEngines();

describe.each(engines)('$title', (engine) => {
  beforeAll(engine.use);

  it.each([
    { k: 1, noise: false, renormalize: false },
    { k: 1, noise: true, renormalize: true },
    { k: 2, noise: false, renormalize: true },
    { k: 2, noise: true, renormalize: false },
  ])('merged equals explicit, forward and every gradient: %o', (settings) => {
    tf.tidy(() => {
      const random = createRandom(5);
      const { gates, chosen } = draw(random, settings);
      const x = randomTensor(random, [2, 5, 6]);
      const shapes = [
        ...Array.from({ length: EXPERTS }, () => [3, 6]),
        ...Array.from({ length: EXPERTS }, () => [3]),
      ];
      const inputs = [x, gates, ...shapes.map((shape) => randomTensor(random, shape))];
      const weights = randomTensor(random, [2, 5, 3]);
      // Experts that nobody chose are no inputs: they take part with weight 0 so that tf.grads accepts them.
      const all = (value: tf.Tensor, given: tf.Tensor[]) =>
        given.reduce((sum, tensor) => tf.add(sum, tf.mul(tf.sum(tensor), 0)), value);
      const merged = (...[a, g, ...rest]: tf.Tensor[]) =>
        conditionalLinear(a as tf.Tensor3D, {
          gates: g as tf.Tensor2D,
          experts: expertsOf(rest),
          chosen,
          segments,
        });
      const plain = (...[a, g, ...rest]: tf.Tensor[]) =>
        explicit(a as tf.Tensor3D, g as tf.Tensor2D, expertsOf(rest), chosen);
      const got = [
        merged(...inputs),
        ...tf.grads((...given) => all(merged(...given), given))(inputs, weights),
      ];
      const wanted = [
        plain(...inputs),
        ...tf.grads((...given) => all(plain(...given), given))(inputs, weights),
      ];
      got.forEach((tensor, at) => {
        const reference = (wanted[at] as tf.Tensor).dataSync();
        const scale = Math.max(1, ...reference.map(Math.abs));
        expect(maximumDifference(tensor.dataSync(), reference) / scale, `tensor ${at}`).toBeLessThan(
          engine.tolerance,
        );
      });
    });
  });

  it('gives experts that no span uses no gradient at all', () => {
    tf.tidy(() => {
      const random = createRandom(1);
      const weights = Array.from({ length: EXPERTS }, (_, e) =>
        tf.variable(randomTensor<tf.Rank.R2>(random, [3, 2]), true, `${engine.title}/expert-${e}`),
      );
      const experts = weights.map((weight) => ({ weight, bias: tf.zeros([3]) as tf.Tensor1D }));
      const gates = tf.tensor2d([0.5, 0.5, 0, 0, 0, 0, 1, 0], [2, EXPERTS]);
      const { grads } = tf.variableGrads(
        () =>
          tf.sum(
            conditionalLinear(tf.ones([1, 2, 2]), {
              gates,
              experts,
              chosen: [[0, 1], [2]],
              // Row 1 has only an empty span: its expert 2 is not used either.
              segments: [
                { row: 0, start: 0, length: 2 },
                { row: 1, start: 2, length: 0 },
              ],
            }),
          ) as tf.Scalar,
        weights.slice(0, 2),
      );
      expect(Object.keys(grads)).toEqual([`${engine.title}/expert-0`, `${engine.title}/expert-1`]);
      expect(() =>
        tf.grads((w: tf.Tensor) =>
          conditionalLinear(tf.ones([1, 2, 2]), {
            gates,
            experts: experts.map((expert, e) => (e === 2 ? { ...expert, weight: w as tf.Tensor2D } : expert)),
            chosen: [[0, 1], [2]],
            segments: [{ row: 0, start: 0, length: 2 }],
          }),
        )([weights[2] as tf.Tensor]),
      ).toThrow(/Cannot compute gradient/u);
      for (const weight of weights) weight.dispose();
    });
  });

  it('merges for the evaluation cache what conditionalLinear computes, and leaks nothing', () => {
    const random = createRandom(2);
    const x = randomTensor<tf.Rank.R3>(random, [2, 5, 6]);
    const tensors = [
      ...Array.from({ length: EXPERTS }, () => randomTensor(random, [3, 6])),
      ...Array.from({ length: EXPERTS }, () => randomTensor(random, [3])),
    ];
    const { gates, chosen } = draw(random, { k: 2, noise: false, renormalize: true });
    const mixture = { gates, experts: expertsOf(tensors), chosen };
    const left = leakedTensors(() => {
      const merged = mergeExperts(mixture);
      const cached = segmentLinear(x, merged, segments);
      const direct = conditionalLinear(x, { ...mixture, segments });
      expect(maximumDifference(cached.dataSync(), direct.dataSync())).toBeLessThan(engine.tolerance * 4);
      tf.dispose([cached, direct, ...merged.flatMap(({ weight, bias }) => [weight, bias])]);
    });
    expect(left).toEqual({ tensors: 0, buffers: 0 });
    tf.dispose([x, gates, ...tensors]);
  });
});
