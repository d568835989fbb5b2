/**
 * Losses, layer norm, attention, optimizer, schedules, routing and averages against PyTorch in double precision, values and
 * gradients, on every engine of this machine. The cases are made by fixtures/torch/make_cases.py.
 */
import { createRandom } from '@polygate/core';
import { similarityCrossEntropy, symmetricContrastive } from '@polygate/losses';
import { AdamW, allocateParameters, MovingAverage, parameterGradients, warmupCosine } from '@polygate/nn';
import { conditionNamed, describeRouters, routeTokens, unstackRouters } from '@polygate/routers';
import type { DataDependentCondition } from '@polygate/routers';
import { attention, layerNorm, softmaxCrossEntropy } from '@polygate/tensor';
import { testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';

type Number = number | 'nan' | 'inf' | '-inf';
type Vector = readonly Number[];
type Matrix = readonly Vector[];
type Cube = readonly Matrix[];

interface Cases {
  readonly crossEntropy: readonly {
    readonly logits: Matrix;
    readonly labels: readonly number[];
    readonly smoothing: number;
    readonly ignoreIndex?: number;
    readonly loss: Vector;
    readonly gradient: Matrix;
  }[];
  readonly contrastive: readonly {
    readonly a: Matrix;
    readonly b: Matrix;
    readonly temperature: number;
    readonly smoothing: number;
    readonly mask: Matrix;
    readonly loss: number;
    readonly toA: Matrix;
    readonly toB: Matrix;
    readonly toTemperature: number;
  }[];
  readonly layerNorm: readonly {
    readonly x: Matrix;
    readonly gamma: Vector;
    readonly beta: Vector;
    readonly epsilon: number;
    readonly dy: Matrix;
    readonly y: Matrix;
    readonly gradients: readonly (Matrix | Vector)[];
  }[];
  readonly attention: readonly {
    readonly qkv: Cube;
    readonly heads: number;
    readonly mask?: readonly Cube[];
    readonly dy: Cube;
    readonly y: Cube;
    readonly gradient: Cube;
  }[];
  readonly adamw: readonly {
    readonly start: readonly number[];
    readonly rates: readonly number[];
    readonly gradients: readonly (readonly number[])[];
    readonly values: readonly (readonly number[])[];
    readonly norms: readonly number[];
    readonly weightDecay: number;
    readonly clipNorm: number | null;
    readonly betas: readonly [number, number];
    readonly epsilon: number;
  }[];
  readonly schedules: readonly {
    readonly warmup: number;
    readonly total: number;
    readonly minimum: number;
    readonly base: number;
    readonly rates: readonly number[];
  }[];
  readonly routing: readonly {
    readonly logits: Matrix;
    readonly topK: number;
    readonly renormalize: boolean;
    readonly ids: Matrix;
    readonly gates: Matrix;
    readonly dy: Matrix;
    readonly balance: number;
    readonly z: number;
    readonly gradient: Matrix;
  }[];
  readonly averages: readonly {
    readonly decay: number;
    readonly values: readonly (readonly number[])[];
    readonly average: readonly number[];
  }[];
}

const cases = JSON.parse(
  readFileSync(new URL('./fixtures/torch/cases.json', import.meta.url), 'utf8'),
) as Cases;

const SPECIAL: ReadonlyMap<unknown, number> = new Map([
  ['nan', NaN],
  ['inf', Infinity],
  ['-inf', -Infinity],
]);

const numbers = (values: unknown): number[] =>
  Array.isArray(values) ? values.flatMap(numbers) : [SPECIAL.get(values) ?? (values as number)];

const shapeOf = (values: unknown): number[] =>
  Array.isArray(values) ? [values.length, ...shapeOf(values[0])] : [];

const tensor = <T extends tf.Tensor>(values: unknown): T =>
  tf.tensor(numbers(values), shapeOf(values), 'float32') as T;

/** Largest difference in units of the largest expected value (at least 1); what is not finite must be the same. */
const close = (got: tf.Tensor | ArrayLike<number>, expected: unknown, tolerance: number): void => {
  const actual = got instanceof tf.Tensor ? got.dataSync() : got;
  const wanted = numbers(expected);
  expect(actual.length).toBe(wanted.length);
  const scale = wanted.reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 1);
  wanted.forEach((value, i) => {
    if (!Number.isFinite(value)) expect(actual[i], `at ${i}`).toBe(value);
    else expect(Math.abs((actual[i] ?? NaN) - value) / scale, `at ${i}`).toBeLessThan(tolerance);
  });
};

const engines = await testEngines();

describe.each(engines)('PyTorch in double precision and $title', (engine) => {
  beforeAll(() => engine.use());
  // What is kept in bf16 differs by its rounding; losses and routers are float32 in every precision.
  const exact = 3e-6;
  const stored = engine.title.includes('bf16') ? 3e-2 : 2e-5;

  it('softmaxCrossEntropy and similarityCrossEntropy', () => {
    for (const { logits, labels, smoothing: labelSmoothing, loss, gradient, ...rest } of cases.crossEntropy) {
      tf.tidy(() => {
        const options = { labelSmoothing, ...rest };
        const x = tensor<tf.Tensor2D>(logits);
        const f = (z: tf.Tensor): tf.Tensor => softmaxCrossEntropy(z as tf.Tensor2D, labels, options);
        close(f(x), loss, exact);
        close(tf.grad((z) => tf.sum(f(z)))(x), gradient, exact);
        const counted = numbers(loss).filter((_, row) => labels[row] !== rest.ignoreIndex);
        const mean = counted.reduce((sum, value) => sum + value, 0) / counted.length;
        close(similarityCrossEntropy(x, labels, options), mean, exact);
      });
    }
  });

  it('symmetricContrastive, also with pairs that are no negatives', () => {
    for (const each of cases.contrastive) {
      tf.tidy(() => {
        const inputs = [tensor(each.a), tensor(each.b), tensor(each.temperature)];
        const options = { labelSmoothing: each.smoothing, sameMask: tensor<tf.Tensor2D>(each.mask) };
        const f = (a: tf.Tensor, b: tf.Tensor, t: tf.Tensor): tf.Scalar =>
          symmetricContrastive(a as tf.Tensor2D, b as tf.Tensor2D, t as tf.Scalar, options);
        const [a, b, t] = inputs as [tf.Tensor, tf.Tensor, tf.Tensor];
        close(f(a, b, t), each.loss, stored);
        const [toA, toB, toT] = tf.grads(f)([a, b, t]) as [tf.Tensor, tf.Tensor, tf.Tensor];
        close(toA, each.toA, stored);
        close(toB, each.toB, stored);
        close(toT, each.toTemperature, stored);
      });
    }
  });

  it('layerNorm of ordinary, constant, far and small rows', () => {
    for (const { x, gamma, beta, epsilon, dy, y, gradients } of cases.layerNorm) {
      tf.tidy(() => {
        const f = (value: tf.Tensor, g: tf.Tensor, b: tf.Tensor): tf.Tensor =>
          layerNorm(value, g as tf.Tensor1D, b as tf.Tensor1D, { epsilon });
        const inputs: [tf.Tensor, tf.Tensor, tf.Tensor] = [tensor(x), tensor(gamma), tensor(beta)];
        // A row at 1000 has three digits less, and small ones have large gradients.
        close(f(...inputs), y, Math.max(stored, 5e-4));
        tf.grads(f)(inputs, tensor(dy)).forEach((gradient, i) => {
          close(gradient, gradients[i], Math.max(stored, 5e-4));
        });
      });
    }
  });

  it('attention without a mask, causal, and with padding, shut out by infinity', () => {
    for (const { qkv, heads, mask, dy, y, gradient } of cases.attention) {
      tf.tidy(() => {
        const f = (x: tf.Tensor): tf.Tensor =>
          attention(x as tf.Tensor3D, { heads, ...(mask ? { mask: tensor<tf.Tensor4D>(mask) } : {}) });
        close(f(tensor(qkv)), y, stored);
        close(tf.grad(f)(tensor(qkv), tensor(dy)), gradient, stored);
      });
    }
  });

  it('AdamW with clipping, decay and rates that change', async () => {
    for (const { start, rates, gradients, values, norms, clipNorm, betas, ...rest } of cases.adamw) {
      const spec = {
        name: 'p',
        shape: [start.length],
        initializer: { kind: 'zeros' },
        role: 'weight',
      } as const;
      using parameters = allocateParameters([spec], createRandom(1));
      parameters.write('p', Float32Array.from(start));
      using optimizer = new AdamW(parameters, { beta1: betas[0], beta2: betas[1], ...rest });
      for (const [step, learningRate] of rates.entries()) {
        const p = tensor(gradients[step]);
        const { gradientNorm } = await optimizer.step(
          { p },
          { learningRate, ...(clipNorm === null ? {} : { clipNorm }) },
        );
        p.dispose();
        expect(gradientNorm / Math.max(1e-30, norms[step] ?? NaN)).toBeCloseTo(norms[step] === 0 ? 0 : 1, 5);
        close(await parameters.read('p'), values[step], 2e-6);
      }
    }
  });

  it('choices, gates, balance and z-losses of routers of tokens, with their gradient', () => {
    const condition = conditionNamed('token').create({ modalities: [], tasks: [] }) as DataDependentCondition;
    for (const { logits, topK, renormalize, ids, gates, dy, balance, z, gradient } of cases.routing) {
      const [length = 0, width = 0] = shapeOf(logits);
      const stack = { condition, prefix: 'r', sites: 1, width, experts: width, topK, renormalize };
      using parameters = allocateParameters(describeRouters(stack), createRandom(1));
      // The identity: logits are the tokens themselves, up to products with zeros.
      const identity = Float32Array.from({ length: width ** 2 }, (_, i) => (i % (width + 1) === 0 ? 1 : 0));
      parameters.write('r.gate.weight', identity);
      tf.tidy(() => {
        const f = (
          x: tf.Tensor,
          look: (name: 'ids' | 'balance' | 'z' | 'gates', value: tf.Tensor) => void,
        ) => {
          const context = { site: 0, tokens: tf.reshape(x, [1, length, width]) as tf.Tensor3D };
          const siteParameters = unstackRouters(stack, parameters);
          const decision = routeTokens(stack, context, {
            parameters: siteParameters,
            capacityFactor: 'dropless',
          });
          look('ids', tf.tensor(decision.choices.ids.slice()));
          look('balance', decision.losses.balance);
          look('z', decision.losses.z);
          look('gates', decision.gates);
          const losses = tf.add(tf.mul(decision.losses.balance, 0.7), tf.mul(decision.losses.z, 0.01));
          return tf.add(tf.sum(tf.mul(decision.gates, tensor(dy))), losses);
        };
        const expected = { ids, balance, z, gates };
        f(tensor(logits), (name, value) => close(value, expected[name], name === 'ids' ? 1e-9 : exact));
        close(tf.grad((x) => f(x, () => {}))(tensor(logits)), gradient, stored);
      });
    }
  });

  it('the moving average of weights', async () => {
    for (const { decay, values, average } of cases.averages) {
      const [first = [], ...rest] = values;
      const spec = {
        name: 'p',
        shape: [first.length],
        initializer: { kind: 'zeros' },
        role: 'weight',
      } as const;
      using parameters = allocateParameters([spec], createRandom(1));
      parameters.write('p', Float32Array.from(first));
      using moving = new MovingAverage(parameters, { decay });
      for (const now of rest) {
        parameters.write('p', Float32Array.from(now));
        moving.update();
      }
      close(await moving.averages.read('p'), average, 1e-6);
    }
  });

  it('the gradient of a whole of these by parameterGradients', async () => {
    const [first] = cases.crossEntropy;
    if (!first) throw new Error('expected a case');
    const shape = shapeOf(first.logits);
    const spec = { name: 'p', shape, initializer: { kind: 'zeros' }, role: 'weight' } as const;
    using parameters = allocateParameters([spec], createRandom(1));
    parameters.write('p', Float32Array.from(numbers(first.logits)));
    const { loss, gradients } = parameterGradients(parameters, () =>
      tf.sum(softmaxCrossEntropy(parameters.get('p') as unknown as tf.Tensor2D, first.labels)),
    );
    close(gradients['p'] as tf.Tensor, first.gradient, exact);
    tf.dispose([loss, ...Object.values(gradients)]);
  });
});

it('schedules are those of transformers and PyTorch, whose rates are asked for one update later', () => {
  for (const { rates, ...settings } of cases.schedules) {
    const schedule = warmupCosine(settings);
    rates.forEach((rate, step) => expect(schedule(step)).toBeCloseTo(rate, 12));
  }
});
