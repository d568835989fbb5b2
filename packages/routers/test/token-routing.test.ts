/** Token and context routing as a whole, on every engine: goldens, loops over the formulas, gradients. */
import { createRandom } from '@polygate/core';
import { allocateParameters, parameterGradients, type ParameterSet } from '@polygate/nn';
import { describeRouters, routeTokens, unstackRouters, type TokenRouterStack } from '@polygate/routers';
import { leakedTensors, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  contextOf,
  drawBatch,
  drawnParameters,
  route,
  stackOf,
  type Batch,
  type Settings,
} from './token-batches.ts';

const engines = await testEngines();

/** Eq. 3, 5 and 6 for one token as they are written, with keys and values of every token. Width below 64: one head. */
const plainLogits = (
  stack: TokenRouterStack,
  parameters: ParameterSet,
  { site, batch, token }: { site: number; batch: Batch; token: number },
): number[] => {
  const { width, experts } = stack;
  const read = (name: string): number[] => {
    const variable = parameters.get(`routers.${name}`);
    const size = variable.size / stack.sites;
    return [...variable.dataSync<'float32'>()].slice(site * size, (site + 1) * size);
  };
  const times = (matrix: number[], x: number[], bias: number[] = []): number[] =>
    Array.from({ length: matrix.length / x.length }, (_, o) =>
      x.reduce((sum, value, i) => sum + (matrix[o * x.length + i] ?? NaN) * value, bias[o] ?? 0),
    );
  const at = (n: number): number[] => [...batch.x.subarray(n * width, (n + 1) * width)];
  const row = at(token);
  const first = token - (token % batch.length);
  const seen = Array.from({ length: batch.length }, (_, t) => first + t).filter(
    (n) => batch.visible[n] === 1,
  );
  let r = row;
  if (stack.condition.name === 'context') {
    const mean = row.map((_, d) => seen.reduce((sum, n) => sum + (at(n)[d] ?? 0), 0) / seen.length);
    const q = times(read('pool.query.weight'), mean, read('pool.query.bias'));
    const scores = seen.map((n) =>
      times(read('pool.key.weight'), at(n)).reduce(
        (sum, k, d) => sum + (k * (q[d] ?? 0)) / Math.sqrt(width),
        0,
      ),
    );
    const total = scores.reduce((sum, s) => sum + Math.exp(s), 0);
    const pooled = row.map((_, d) =>
      seen.reduce(
        (sum, n, i) =>
          sum +
          (Math.exp(scores[i] ?? 0) / total) *
            (times(read('pool.value.weight'), at(n), read('pool.value.bias'))[d] ?? 0),
        0,
      ),
    );
    r = [...row, ...times(read('pool.output.weight'), pooled, read('pool.output.bias'))];
  }
  const logits = times(read('gate.weight'), r);
  if (logits.length !== experts) throw new Error(`expected ${experts} logits`);
  return logits;
};

/** Gates after capacity, plan and losses, token by token from plain logits. */
const plainDecision = (
  stack: TokenRouterStack,
  logits: readonly (readonly number[] | undefined)[],
  capacity: number,
): { gates: number[][]; groups: number[][]; balance: number; z: number } => {
  const { experts, topK = 2, renormalize = true } = stack;
  const softmax = (row: readonly number[]): number[] => {
    const total = row.reduce((sum, z) => sum + Math.exp(z), 0);
    return row.map((z) => Math.exp(z) / total);
  };
  const p = logits.map((row) => (row ? softmax(row) : undefined));
  const chosen = p.map((row) =>
    row ? [...row.keys()].sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0)).slice(0, topK) : [],
  );
  const groups: number[][] = Array.from({ length: experts }, () => []);
  const gates = logits.map(() => new Array<number>(experts).fill(0));
  for (let k = 0; k < topK; k += 1) {
    for (const [n, ids] of chosen.entries()) {
      const e = ids[k] ?? -1;
      if (e < 0 || (groups[e]?.length ?? 0) >= capacity) continue;
      groups[e]?.push(n);
      const sum = renormalize ? ids.reduce((total, id) => total + (p[n]?.[id] ?? 0), 0) : 1;
      const row = gates[n] ?? [];
      row[e] = (p[n]?.[e] ?? NaN) / sum;
    }
  }
  const seen = p.flatMap((row) => (row ? [row] : []));
  const choices = chosen.flat();
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const balance =
    experts *
    Array.from(
      { length: experts },
      (_, e) =>
        (choices.filter((id) => id === e).length / choices.length) * mean(seen.map((row) => row[e] ?? 0)),
    ).reduce((sum, term) => sum + term, 0);
  const z = mean(
    logits.flatMap((row) => (row ? [Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0)) ** 2] : [])),
  );
  for (const group of groups) group.sort((a, b) => a - b);
  return { gates, groups, balance, z };
};

describe.each(engines)('routeTokens on $title', (engine) => {
  beforeAll(() => engine.use());

  it('decides for each token by Eq. 3 and 5, and gives slots up to the capacity', () => {
    // D = 2, E = 2, top-1, W_g = [[ln 3, 0], [0, ln 3]]; x = [1, 0], [1, 0], [0, 1], [1, 0], and padding [5, 0]:
    // logits [ln 3, 0] three times and [0, ln 3]; p = [3/4, 1/4] and [1/4, 3/4]. Capacity 1 * 1 * 4 / 2 = 2:
    // tokens 0 and 1 get expert 0, token 2 expert 1, token 3 is dropped. Without renormalisation the gates are 3/4.
    const stack = stackOf('token', { sites: 1, width: 2, experts: 2, topK: 1, renormalize: false });
    const parameters = allocateParameters(describeRouters(stack), createRandom(1));
    const ln3 = Math.log(3);
    parameters.write('routers.gate.weight', Float32Array.from([ln3, 0, 0, ln3]));
    const context = contextOf(0, {
      batch: 1,
      length: 5,
      width: 2,
      x: Float32Array.from([1, 0, 1, 0, 0, 1, 1, 0, 5, 0]),
      visible: Float32Array.from([1, 1, 1, 1, 0]),
    });
    const settings = { capacityFactor: 1 };
    const got = route(stack, { parameters, context, settings }, ({ gates, plan, losses }) => ({
      gates: [...gates.dataSync()],
      tokens: [...plan.tokens],
      starts: [...plan.starts],
      dropped: plan.dropped,
      counted: plan.counted,
      balance: losses.balance.dataSync()[0],
      z: losses.z.dataSync()[0],
    }));
    [0.75, 0, 0.75, 0, 0, 0.75, 0, 0, 0, 0].forEach((g, i) => expect(got.gates[i]).toBeCloseTo(g, 6));
    expect(got).toMatchObject({ tokens: [0, 1, 2], starts: [0, 2, 3], dropped: 1, counted: 4 });
    // f = [3/4, 1/4], P = [(3 * 3/4 + 1/4) / 4, ...] = [5/8, 3/8]: 2 (15/32 + 3/32) = 9/8. z: ln(3 + 1)^2.
    expect(got.balance).toBeCloseTo(9 / 8, 6);
    expect(got.z).toBeCloseTo(Math.log(4) ** 2, 5);
    parameters.dispose();
    tf.dispose({ ...context });
  });

  describe('at the edges of the numbers', () => {
    /** Routes tokens whose logits are their own values: W_g is the identity. */
    const chosen = (rows: readonly (readonly number[])[], settings: Settings = {}) => {
      const [width = 0, length] = [rows[0]?.length, rows.length];
      const stack = stackOf('token', { sites: 1, width, experts: width });
      const parameters = allocateParameters(describeRouters(stack), createRandom(1));
      parameters.write(
        'routers.gate.weight',
        Float32Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 1 : 0)),
      );
      const x = Float32Array.from(rows.flat());
      const visible = new Float32Array(length).fill(1);
      const context = contextOf(0, { batch: 1, length, width, x, visible });
      try {
        return route(stack, { parameters, context, settings }, ({ choices, plan, gates }) => ({
          ids: [...choices.ids],
          starts: [...plan.starts],
          gates: [...gates.dataSync()],
        }));
      } finally {
        parameters.dispose();
        tf.dispose({ ...context });
      }
    };

    it('chooses by logits however far they are apart, of equal ones the lower id', () => {
      const rows = [
        [0, -150, -120],
        [0, -900, -800],
        [-1e30, 1e30, -1e29],
        [0, 1e-20, 2e-20],
        [1, 1, 1],
        [-5, 0, -5],
      ];
      const { ids, gates } = chosen(rows, { capacityFactor: 'dropless' });
      expect(ids).toEqual([0, 2, 0, 2, 1, 2, 2, 1, 0, 1, 1, 0]);
      expect(gates.every(Number.isFinite)).toBe(true);
    });

    it('gives exactly the slots of the factor as it is written', () => {
      // 1.1 * 2 * 50 / 10 = 11, of all 50 first choices of expert 0 and second ones of expert 1
      const rows = Array.from({ length: 50 }, () => [2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
      expect(chosen(rows, { capacityFactor: 1.1 }).starts).toEqual([0, 11, ...Array(9).fill(22)]);
    });

    it.each([NaN, Infinity, -Infinity])('refuses tokens of %d: their logits have no softmax', (value) => {
      const rows = [
        [1, 2, 3],
        [value, value, value],
      ];
      // 0 times infinity is NaN in every logit
      expect(() => chosen(rows)).toThrow(
        'router: expected logits that have a softmax, got NaN for expert 0 at token 1; the weights or what the router looks at are not finite: look for the layer or batch that they come from',
      );
    });
  });

  it('sees the whole sequence by Eq. 6', () => {
    // D = 2, one head. W_q = W_k = 0: even weights, the pool is the mean. W_v, W_o the identity, b_o = [0, 1]:
    // sample 0 has x = [2, 0], [4, 0] and padding: pool [3, 1]; sample 1 x = [0, 2], [0, 0], [0, 4]: pool [0, 3].
    // W_g reads the pool alone: rows [0, 0, ln 2, 0] and [0, 0, 0, ln 2]. Logits ln 2 * pool: sample 0 [3, 1] ln 2,
    // p_0 = 8 / 10; sample 1 [0, 3] ln 2, p_1 = 8 / 9.
    const stack = stackOf('context', { sites: 1, width: 2, experts: 2, topK: 1, renormalize: false });
    const parameters = allocateParameters(describeRouters(stack), createRandom(1));
    const unit = Float32Array.from([1, 0, 0, 1]);
    const ln2 = Math.log(2);
    for (const name of ['query', 'key']) parameters.write(`routers.pool.${name}.weight`, new Float32Array(4));
    for (const name of ['value', 'output']) parameters.write(`routers.pool.${name}.weight`, unit);
    parameters.write('routers.pool.output.bias', Float32Array.from([0, 1]));
    parameters.write('routers.gate.weight', Float32Array.from([0, 0, ln2, 0, 0, 0, 0, ln2]));
    const context = contextOf(0, {
      batch: 2,
      length: 3,
      width: 2,
      x: Float32Array.from([2, 0, 4, 0, 99, 99, 0, 2, 0, 0, 0, 4]),
      visible: Float32Array.from([1, 1, 0, 1, 1, 1]),
    });
    const gates = route(
      stack,
      { parameters, context, settings: { capacityFactor: 'dropless' } },
      (decision) => [...decision.gates.dataSync()],
    );
    [0.8, 0, 0.8, 0, 0, 0, 0, 8 / 9, 0, 8 / 9, 0, 8 / 9].forEach((g, i) =>
      expect(gates[i]).toBeCloseTo(g, 5),
    );
    parameters.dispose();
    tf.dispose({ ...context });
  });

  it.each([
    ['token', 2, true],
    ['token', 1, false],
    ['context', 2, false],
    ['context', 3, true],
  ])('equals loops over the formulas: %s, top-%i, renormalised: %s', (name, topK, renormalize) => {
    const stack = stackOf(name, { topK, renormalize });
    const parameters = drawnParameters(stack, 7);
    const batch = drawBatch(createRandom(8), [3, 5, 6]);
    for (const site of [0, 1]) {
      const context = contextOf(site, batch);
      const logits = Array.from(batch.visible, (flag, token) =>
        flag === 1 ? plainLogits(stack, parameters, { site, batch, token }) : undefined,
      );
      const counted = logits.filter((row) => row).length;
      const wanted = plainDecision(stack, logits, Math.ceil((topK * counted) / 4));
      route(stack, { parameters, context, settings: { capacityFactor: 1 } }, (decision) => {
        const gates = decision.gates.dataSync();
        // Gates are float32 in every precision: one tolerance for all engines.
        wanted.gates.flat().forEach((g, i) => expect(gates[i]).toBeCloseTo(g, 4));
        wanted.groups.forEach((group, e) => {
          const { tokens, starts } = decision.plan;
          expect([...tokens.subarray(starts[e], starts[e + 1])]).toEqual(group);
        });
        expect(decision.losses.balance.dataSync()[0]).toBeCloseTo(wanted.balance, 4);
        expect(decision.losses.z.dataSync()[0]).toBeCloseTo(wanted.z, 4);
      });
      tf.dispose({ ...context });
    }
    parameters.dispose();
  });

  it('leaks nothing, forward and backward', () => {
    const stack = stackOf('context');
    const parameters = drawnParameters(stack, 9);
    const context = contextOf(1, drawBatch(createRandom(10), [2, 4, 6]));
    const run = (): void => {
      const { loss, gradients } = parameterGradients(parameters, () =>
        tf.tidy(() => {
          const siteParameters = unstackRouters(stack, parameters);
          const { gates, losses } = routeTokens(stack, context, { parameters: siteParameters });
          return tf.addN([tf.sum(tf.square(gates)), losses.balance, losses.z]) as tf.Scalar;
        }),
      );
      loss.dispose();
      tf.dispose(gradients);
    };
    run();
    expect(leakedTensors(run)).toEqual({ tensors: 0, buffers: 0 });
    parameters.dispose();
    tf.dispose({ ...context });
  });
});

/** Everything that a decision says, and the gradient of gates and losses to the logits' weights, as host values. */
const everything = (stack: TokenRouterStack, batch: Batch, settings: Settings): Record<string, number[]> => {
  const parameters = drawnParameters(stack, 7);
  const random = createRandom(8);
  const shared = { parameters, context: contextOf(1, batch), settings: { ...settings, random } };
  const said: Record<string, number[]> = {};
  const { gradients, loss } = parameterGradients(parameters, () => {
    const state: { loss?: tf.Scalar } = {};
    const siteParameters = unstackRouters(stack, parameters);
    const { gates, plan, choices, kept, losses } = routeTokens(stack, shared.context, {
      ...shared.settings,
      parameters: siteParameters,
    });
    Object.assign(said, {
      gates: [...gates.dataSync()],
      tokens: [...plan.tokens],
      starts: [...plan.starts],
      rest: [plan.dropped, plan.counted, choices.experts, choices.topK],
      kept: [...kept],
      ids: [...choices.ids],
      ...Object.fromEntries(
        (['weights', 'probabilities', 'logSums', 'importance'] as const).map((key) => [
          key,
          [...choices[key]],
        ]),
      ),
      ...Object.fromEntries(Object.entries(losses).map(([name, value]) => [name, [...value.dataSync()]])),
    });
    const factors = tf.tensor2d(
      Float32Array.from({ length: gates.size }, (_, i) => Math.sin(i)),
      gates.shape,
    );
    const weighed = Object.values(losses).map((value, i) => tf.mul(value, i + 1));
    state.loss = tf.addN([tf.sum(tf.mul(gates, factors)), ...weighed]) as tf.Scalar;
    return state.loss;
  });
  for (const [name, gradient] of Object.entries(gradients)) said[name] = [...gradient.dataSync()];
  tf.dispose([loss, ...Object.values(gradients), shared.context.tokens, shared.context.visible ?? []]);
  parameters.dispose();
  return said;
};

/** Choices of the 400 positions of a sequence. */
const positions = Array.from({ length: 400 }, (_, i) => 1 + (i % 3));

describe.each(engines.filter(({ title }) => title.includes('torch')))('decisions on $title', (engine) => {
  it.each([
    ['as many as fit, with noise', { training: true, capacityFactor: 0.8 }, {}],
    ['all, without renormalisation', { capacityFactor: 'dropless' }, { renormalize: false, topK: 3 }],
    ['one of each token', { training: true }, { topK: 1, noise: 4 }],
    [
      'different numbers by position, with losses of sums',
      { training: true, losses: ['importance', 'load'], topK: positions },
      { noise: 2 },
    ],
    [
      'all of them, where chances are counts',
      { losses: ['load', 'importance'], capacityFactor: 'dropless', topK: [4, 1] },
      { renormalize: false },
    ],
  ] as const)('are those of the host: %s', async (_, settings, rest) => {
    const stack = stackOf('token', rest);
    const batch = drawBatch(createRandom(9), [3, 400, 6]);
    await engines.find(({ title }) => title === 'cpu')?.use();
    const host = everything(stack, batch, settings);
    await engine.use();
    const actual = everything(stack, batch, settings);
    expect(Object.keys(actual)).toEqual(Object.keys(host));
    for (const [name, values] of Object.entries(host)) {
      const scale = Math.max(1, ...values.map(Math.abs));
      const worst = values.reduce(
        (most, v, i) => Math.max(most, Math.abs(v - (actual[name]?.[i] ?? NaN))),
        0,
      );
      expect(actual[name]?.length, name).toBe(values.length);
      expect(worst / scale, name).toBeLessThan(engine.tolerance);
    }
    expect(actual['ids']).toEqual(host['ids']);
    expect(actual['tokens']).toEqual(host['tokens']);
  });
});
