/** Token routing on one engine: gradients by differences, what it does not look at, what it draws, what it refuses. */
import { createRandom } from '@polygate/core';
import { allocateParameters, parameterGradients } from '@polygate/nn';
import {
  describeRouters,
  routeTokens,
  unstackRouters,
  type TokenContext,
  type TokenDecision,
} from '@polygate/routers';
import { testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { contextOf, drawBatch, drawnParameters, route, stackOf, type Settings } from './token-batches.ts';

const engines = await testEngines();

describe('routeTokens', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  const cases = ['token', 'context'].flatMap((name) =>
    [
      { topK: 1, renormalize: false, noisy: false, capacityFactor: 'dropless' as const },
      { topK: 1, renormalize: true, noisy: true, capacityFactor: 1 },
      { topK: 2, renormalize: true, noisy: false, capacityFactor: 1 },
      { topK: 2, renormalize: false, noisy: true, capacityFactor: 1 },
      { topK: 3, renormalize: true, noisy: true, capacityFactor: 'dropless' as const },
    ].map((rest) => ({ name, ...rest })),
  );
  it.each(cases)('has the gradient of its own central differences: %o', (settings) => {
    const { name, topK, renormalize, noisy, capacityFactor } = settings;
    const stack = stackOf(name, { topK, renormalize, width: 4, sites: 2 });
    const parameters = drawnParameters(stack, 12);
    const context = contextOf(1, drawBatch(createRandom(13), [2, 4, 4]));
    const weigher = createRandom(14);
    const factors = tf.tensor2d(
      Float32Array.from({ length: 32 }, () => weigher.normal()),
      [8, 4],
    );
    const plans: string[] = [];
    const evaluate = (tokens: tf.Tensor3D): tf.Scalar =>
      tf.tidy(() => {
        const siteParameters = unstackRouters(stack, parameters);
        const { gates, losses, plan } = routeTokens(
          stack,
          { ...context, tokens },
          {
            parameters: siteParameters,
            capacityFactor,
            // The same draw at every evaluation: noise is a constant of the function.
            ...(noisy ? { training: true, random: createRandom(18) } : {}),
          },
        );
        plans.push([...plan.tokens, ...plan.starts].join());
        return tf.addN([tf.sum(tf.mul(gates, factors)), losses.balance, tf.mul(losses.z, 0.5)]) as tf.Scalar;
      });
    const value = (tokens: tf.Tensor3D): number => {
      const scalar = evaluate(tokens);
      const [result = NaN] = scalar.dataSync();
      scalar.dispose();
      return result;
    };
    const step = 4e-3;
    const compare = (got: number, expected: number, where: string): void =>
      expect(Math.abs(got - expected), where).toBeLessThan(3e-3);
    const { loss, gradients } = parameterGradients(parameters, () => evaluate(context.tokens));
    for (const { name: parameter, variable } of parameters.entries()) {
      const start = Float32Array.from(variable.dataSync());
      const gradient = gradients[parameter]?.dataSync() ?? [];
      // Every third element keeps this quick.
      for (let i = 0; i < start.length; i += 3) {
        const at = (delta: number): number => {
          const moved = start.slice();
          moved[i] = (moved[i] ?? 0) + delta;
          parameters.write(parameter, moved);
          return value(context.tokens);
        };
        compare(gradient[i] ?? NaN, (at(step) - at(-step)) / (2 * step), `${parameter}[${i}]`);
      }
      parameters.write(parameter, start);
    }
    const [toTokens] = tf.grads((tokens: tf.Tensor) => evaluate(tokens as tf.Tensor3D))([context.tokens]);
    const start = context.tokens.dataSync().slice();
    for (let i = 0; i < start.length; i += 3) {
      const at = (delta: number): number => {
        const moved = start.slice();
        moved[i] = (moved[i] ?? 0) + delta;
        return tf.tidy(() => value(tf.tensor3d(moved, [2, 4, 4])));
      };
      compare(toTokens?.dataSync()[i] ?? NaN, (at(step) - at(-step)) / (2 * step), `tokens[${i}]`);
    }
    // At a change of choices there is no gradient to find: the seed must stay clear of them.
    expect(new Set(plans).size).toBe(1);
    tf.dispose([loss, factors, { ...context }]);
    tf.dispose([toTokens as tf.Tensor, gradients]);
    parameters.dispose();
  });

  it('does not look at padding: not in gates, losses or slots', () => {
    for (const name of ['token', 'context']) {
      const stack = stackOf(name);
      const parameters = drawnParameters(stack, 16);
      const batch = drawBatch(createRandom(17), [3, 4, 6]);
      const changed = batch.x.map((value, i) => (batch.visible[Math.floor(i / 6)] === 0 ? 1e3 : value));
      const host = ({ gates, plan, losses }: TokenDecision) => ({
        gates: [...gates.dataSync()],
        // Read while the decision is there; engines may keep more beside these.
        plan: { starts: plan.starts, tokens: plan.tokens },
        balance: losses.balance.dataSync()[0],
        z: losses.z.dataSync()[0],
      });
      const one = contextOf(0, batch);
      const other = contextOf(0, { ...batch, x: changed });
      expect(route(stack, { parameters, context: other }, host)).toEqual(
        route(stack, { parameters, context: one }, host),
      );
      tf.dispose([{ ...one }, { ...other }]);
      parameters.dispose();
    }
  });

  it('permutes with its tokens', () => {
    const stack = stackOf('token');
    const parameters = drawnParameters(stack, 18);
    const batch = drawBatch(createRandom(19), [2, 5, 6]);
    const all = { ...batch, visible: batch.visible.map(() => 1) };
    const order = [7, 3, 9, 0, 5, 1, 8, 2, 6, 4];
    const moved = Float32Array.from(order.flatMap((n) => [...batch.x.subarray(n * 6, n * 6 + 6)]));
    const host = ({ gates, losses }: TokenDecision) => ({
      gates: [...gates.dataSync()],
      balance: losses.balance.dataSync()[0] ?? NaN,
    });
    const settings: Settings = { capacityFactor: 'dropless' };
    const one = contextOf(0, all);
    const other = contextOf(0, { ...all, x: moved });
    const plain = route(stack, { parameters, context: one, settings }, host);
    const permuted = route(stack, { parameters, context: other, settings }, host);
    order.forEach((from, to) =>
      expect(permuted.gates.slice(to * 4, to * 4 + 4)).toEqual(plain.gates.slice(from * 4, from * 4 + 4)),
    );
    expect(permuted.balance).toBeCloseTo(plain.balance, 5);
    tf.dispose([{ ...one }, { ...other }]);
    parameters.dispose();
  });

  it('uses factor 1 in training and 2 otherwise', () => {
    const stack = stackOf('token', { noise: 0 });
    const parameters = drawnParameters(stack, 20);
    // All tokens are the same: all choose the same two experts. N = 12: 1 * 2 * 12 / 4 = 6 slots, 2 * 2 * 12 / 4 = 12.
    const context = contextOf(0, {
      batch: 3,
      length: 4,
      width: 6,
      x: new Float32Array(72).fill(0.3),
      visible: new Float32Array(12).fill(1),
    });
    const dropped = (settings: Settings): number =>
      route(stack, { parameters, context, settings }, ({ plan }) => plan.dropped);
    expect(dropped({ training: true })).toBe(12);
    expect(dropped({})).toBe(0);
    expect(dropped({ training: true, capacityFactor: 1.5 })).toBe(6);
    tf.dispose({ ...context });
    parameters.dispose();
  });

  it('draws in training who gets a slot, and takes the order of the batch otherwise', () => {
    const stack = stackOf('token', { noise: 0 });
    const parameters = drawnParameters(stack, 20);
    // As above: 12 equal tokens want the same two experts, which have 6 slots each.
    const x = new Float32Array(72).fill(0.3);
    const context = contextOf(0, { batch: 3, length: 4, width: 6, x, visible: new Float32Array(12).fill(1) });
    const served = (settings: Settings): number[] =>
      route(stack, { parameters, context, settings: { capacityFactor: 1, ...settings } }, ({ plan }) => [
        ...new Set(plan.tokens),
      ]);
    const first = [0, 1, 2, 3, 4, 5];
    expect(served({ random: createRandom(1) })).toEqual(first);
    expect(served({ training: true })).toEqual(first);
    const random = createRandom(1);
    const drawn = Array.from({ length: 20 }, () => served({ training: true, random }));
    expect(new Set(drawn.flat()).size).toBe(12);
    expect(drawn.every(({ length }) => length === 6)).toBe(true);
    expect(drawn[0]).toEqual(served({ training: true, random: createRandom(1) }));
    tf.dispose({ ...context });
    parameters.dispose();
  });

  it('draws noise in training alone, of standard deviation noise / E', () => {
    const stack = stackOf('token', { experts: 8, width: 1, sites: 1 });
    const parameters = allocateParameters(describeRouters(stack), createRandom(1));
    parameters.write('routers.gate.weight', new Float32Array(8));
    const context: TokenContext = { site: 0, tokens: tf.zeros([1, 4000, 1]) };
    const probabilities = (settings: Settings): Float32Array =>
      route(stack, { parameters, context, settings }, ({ choices }) => choices.probabilities);
    // Logits are the noise alone, so ln p_e - mean_e ln p_e is the noise less its row mean: variance std^2 (1 - 1/8).
    const noisy = probabilities({ training: true, random: createRandom(2) });
    let sum = 0;
    for (let r = 0; r < 4000; r += 1) {
      const logs = [...noisy.subarray(r * 8, r * 8 + 8)].map(Math.log);
      const mean = logs.reduce((a, b) => a + b) / 8;
      sum += logs.reduce((a, b) => a + (b - mean) ** 2, 0);
    }
    // Of a deviation from 28,000 numbers: 0.125 / sqrt(56,000) = 0.00053; 4 of them.
    expect(Math.abs(Math.sqrt(sum / (4000 * 7)) - 1 / 8)).toBeLessThan(0.0021);
    expect(new Set(probabilities({ random: createRandom(2) }))).toEqual(new Set([0.125]));
    expect(() => probabilities({ training: true })).toThrow(
      'gate: expected a random stream for the training noise, got none',
    );
    tf.dispose(context.tokens);
    parameters.dispose();
  });

  it('says what cannot be', () => {
    const stack = stackOf('token');
    expect(() => describeRouters({ ...stack, topK: 5 })).toThrow(
      'gate: expected topK from 1 to the number of experts (4), got 5; lower topK or add experts',
    );
    const parameters = drawnParameters(stack, 21);
    const context = contextOf(0, drawBatch(createRandom(22), [2, 4, 6]));
    expect(() =>
      route(stack, { parameters, context, settings: { capacityFactor: 0.1 } }, () => undefined),
    ).toThrow('capacity: expected slots for at least one token per expert, got capacityFactor 0.1 * topK 2');
    const missing = { ...context, site: 2 };
    expect(() => route(stack, { parameters, context: missing }, () => undefined)).toThrow(
      "routeTokens: expected a site below 2, got 2; give the index of one of the stack's routers",
    );
    tf.dispose({ ...context });
    parameters.dispose();
  });
});
