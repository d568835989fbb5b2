/** Losses that an engine computes with its decisions, against the host's on the same logits, and their differences. */
import { createRandom } from '@polygate/core';
import { testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { auxiliaryLossNamed } from './auxiliary-losses.ts';
import { BATCH_ORDER } from './capacity.ts';
import { engineDecision, routeOnEngine, type DecisionRule } from './engine-decision.ts';
import { tokenNoise } from './noise.ts';
import { chooseExperts } from './token-choice.ts';

const EXPERTS = 5;
const SAMPLES = 2;
const further = ['importance', 'load'].map(auxiliaryLossNamed);

const ruleOf = (rest: Partial<DecisionRule>): DecisionRule => ({
  experts: EXPERTS,
  topK: 2,
  topKs: undefined,
  renormalize: undefined,
  capacityFactor: 'dropless',
  batchPriority: false,
  order: BATCH_ORDER,
  training: true,
  noise: 2,
  random: createRandom(2),
  samples: SAMPLES,
  ...rest,
});

const drawn = (count: number, factor: number): Float32Array => {
  const random = createRandom(7);
  return Float32Array.from({ length: count * EXPERTS }, () => factor * random.normal());
};

/** Importance and load on the tape, and the gradient of their sum, one counted thrice, as host values. */
const onEngine = (values: Float32Array, rule: DecisionRule, visible?: Float32Array) =>
  tf.tidy(() => {
    const state: { losses?: Float32Array } = {};
    const flags = visible && tf.tensor1d(visible);
    const { grad } = tf.valueAndGrad((logits: tf.Tensor) => {
      const outcome = routeOnEngine(logits as tf.Tensor2D, flags, { ...rule, further });
      if (!outcome) throw new Error('an engine that decides was expected');
      const { loss } = engineDecision(logits as tf.Tensor2D, outcome, { ...rule, further });
      state.losses = loss.tensor.dataSync<'float32'>().slice(2);
      return tf.sum(tf.mul(loss.tensor, tf.tensor1d([0, 0, 1, 3])));
    })(tf.tensor2d(values, [values.length / EXPERTS, EXPERTS]));
    return { losses: state.losses as Float32Array, gradient: grad.dataSync<'float32'>().slice() };
  });

const onHost = (clean: Float32Array, rule: DecisionRule, visible?: Float32Array) => {
  const noisy = tokenNoise(clean, EXPERTS, rule);
  const choices = chooseExperts(noisy, rule, { visible, topKs: rule.topKs });
  const noise = rule.training ? (rule.noise ?? 1) / EXPERTS : 0;
  const [importance, load] = further.map((loss) =>
    loss.evaluate({ choices, clean, noisy, noise, renormalize: rule.renormalize }),
  );
  const [toImportance, toLoad] = [importance?.gradient() ?? [], load?.gradient() ?? []];
  return {
    losses: [importance?.value ?? NaN, load?.value ?? NaN],
    gradient: Array.from(toImportance, (value, i) => value + 3 * (toLoad[i] ?? NaN)),
  };
};

const engines = (await testEngines()).filter(({ title }) => title.includes('torch'));

describe.each(engines)('importance and load on $title', (engine) => {
  beforeAll(() => engine.use());

  const padded = Float32Array.from({ length: 1200 }, (_, n) => Number(n % 7 !== 3));
  it.each<[string, Partial<DecisionRule>, Float32Array | undefined]>([
    ['two of each token', {}, undefined],
    ['one, without division', { topK: 1, renormalize: false }, padded],
    ['one, divided', { topK: 1, renormalize: true, noise: 0.3 }, undefined],
    ['few slots', { capacityFactor: 0.5, renormalize: false }, padded],
    ['different numbers', { topK: 5, topKs: [1, 5, 2, 3] }, padded],
    ['without noise', { training: false, topK: 3 }, padded],
    ['no token', {}, new Float32Array(1200)],
  ])('are those of the host: %s', (_, rest, visible) => {
    const values = drawn(1200, 1.5);
    const expected = onHost(values, ruleOf(rest), visible);
    const { losses, gradient } = onEngine(values, ruleOf(rest), visible);
    expected.losses.forEach((value, i) =>
      expect(Math.abs((losses[i] ?? NaN) - value)).toBeLessThanOrEqual(1e-6 * value),
    );
    const scale = Math.max(...expected.gradient.map(Math.abs));
    expected.gradient.forEach((value, i) =>
      expect(Math.abs((gradient[i] ?? NaN) - value)).toBeLessThanOrEqual(2e-6 * scale),
    );
  });

  it('have the gradient of their central differences', () => {
    const values = drawn(12, 1);
    for (const renormalize of [false, true]) {
      const value = (moved: Float32Array): number => {
        const { losses } = onEngine(moved, ruleOf({ renormalize }));
        return (losses[0] ?? NaN) + 3 * (losses[1] ?? NaN);
      };
      const { gradient } = onEngine(values, ruleOf({ renormalize }));
      values.forEach((_, i) => {
        const at = (step: number) => value(values.map((logit, j) => logit + (i === j ? step : 0)));
        expect(Math.abs((gradient[i] ?? NaN) - (at(4e-3) - at(-4e-3)) / 8e-3), `${i}`).toBeLessThan(3e-3);
      });
    }
  });
});

it('leaves to the host what engines lack', () => {
  const rule = { ...ruleOf({}), further };
  const logits = tf.zeros<tf.Rank.R2>([4, EXPERTS]);
  const other = { ...auxiliaryLossNamed('z'), name: 'by-token' };
  expect(routeOnEngine(logits, undefined, { ...rule, further: [...further, other] })).toBe(undefined);
  expect(routeOnEngine(logits, undefined, { ...rule, batchPriority: true })).toBe(undefined);
  logits.dispose();
});
