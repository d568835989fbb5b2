import { parseRow, rowBits } from '@polygate/attributes';
import { createRandom, type Random } from '@polygate/core';
import { allocateParameters, parameterGradients, type ParameterSet } from '@polygate/nn';
import {
  attributeCondition,
  routeRows,
  describeRouters,
  type RouterStack,
  type RoutingKey,
} from '@polygate/routers';
import { leakedTensors, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';

const engines = await testEngines();
const stack: RouterStack<RoutingKey> = {
  condition: attributeCondition(),
  prefix: 'routers',
  sites: 3,
  width: 6,
  experts: 5,
  topK: 2,
};
const rows = ['10011001', '10010100', '11010111'].map((text): RoutingKey => ({
  attributes: parseRow(text),
  modality: 'text',
  task: '',
}));

/** A set whose biases and norms are drawn too, so that a slip in any of them shows. */
const drawnParameters = (of: RouterStack<RoutingKey>, seed: number): ParameterSet => {
  const random = createRandom(seed);
  const parameters = allocateParameters(describeRouters(of), random);
  for (const { name, variable } of parameters.entries()) {
    const stream = random.fork(`drawn ${name}`);
    parameters.write(
      name,
      Float32Array.from({ length: variable.size }, () => stream.normal()),
    );
  }
  return parameters;
};

/** Eq. 9 and Eq. 3 of one router and one row, as they are written. */
const plainDecision = (
  parameters: ParameterSet,
  { site, row, of }: { site: number; row: RoutingKey; of: RouterStack<RoutingKey> },
): { gates: number[]; chosen: number[] } => {
  const { width, experts, topK = 2, renormalize = true } = of;
  const read = (name: string, ...index: number[]): number => {
    const variable = parameters.get(`routers.${name}`);
    const at = variable.shape.reduce((flat, extent, axis) => flat * extent + (index[axis] ?? 0), 0);
    return variable.dataSync()[at] ?? NaN;
  };
  const channels = Array.from({ length: width }, (_, d) => d);
  const z = channels.map((d) =>
    rowBits(row.attributes).reduce<number>(
      (sum, bit, i) => sum + bit * read('attribute.weight', site, d, i),
      read('attribute.bias', site, d),
    ),
  );
  const mean = z.reduce((a, b) => a + b) / width;
  const variance = z.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width;
  const r = z.map(
    (value, d) =>
      ((value - mean) / Math.sqrt(variance + 1e-5)) * read('norm.weight', site, d) +
      read('norm.bias', site, d),
  );
  const exponentials = Array.from({ length: experts }, (_, e) =>
    Math.exp(channels.reduce((sum, d) => sum + read('gate.weight', site, e, d) * (r[d] ?? 0), 0)),
  );
  const total = exponentials.reduce((a, b) => a + b);
  const p = exponentials.map((value) => value / total);
  const chosen = [...p.keys()].sort((a, b) => (p[b] ?? 0) - (p[a] ?? 0)).slice(0, topK);
  const sum = renormalize ? chosen.reduce((s, e) => s + (p[e] ?? 0), 0) : 1;
  return { chosen, gates: p.map((value, e) => (chosen.includes(e) ? value / sum : 0)) };
};

describe('describeRouters', () => {
  it('stacks the parameters of all routers', () => {
    expect(describeRouters(stack).map(({ name, shape, role }) => [name, shape, role])).toEqual([
      ['routers.attribute.weight', [3, 6, 8], 'gate'],
      ['routers.attribute.bias', [3, 6], 'gate'],
      ['routers.norm.weight', [3, 6], 'norm'],
      ['routers.norm.bias', [3, 6], 'norm'],
      ['routers.gate.weight', [3, 5, 6], 'gate'],
    ]);
  });

  it('refuses a stack without routers', () => {
    expect(() => describeRouters({ ...stack, sites: 0 })).toThrow(
      'routers: expected a whole number of sites of at least 1, got 0; leave the stack out of a dense model',
    );
  });
});

describe.each(engines)('routeRows on $title', (engine) => {
  beforeAll(() => engine.use());

  it.each([
    [1, true],
    [1, false],
    [2, true],
    [2, false],
  ])('equals the formulas written out, top-%i, renormalised: %s', (topK, renormalize) => {
    const of = { ...stack, topK, renormalize };
    const parameters = drawnParameters(of, 21);
    const decisions = routeRows(of, rows, { parameters });
    expect(decisions).toHaveLength(3);
    for (const [site, { gates, chosen, values }] of decisions.entries()) {
      const got = gates.dataSync();
      expect(Float32Array.from(got)).toEqual(values);
      for (const [r, row] of rows.entries()) {
        const plain = plainDecision(parameters, { site, row, of });
        expect(chosen[r]).toEqual(plain.chosen);
        plain.gates.forEach((g, e) => expect(got[r * 5 + e]).toBeCloseTo(g, 5));
      }
    }
    tf.dispose(decisions.map(({ gates }) => gates));
    parameters.dispose();
  });

  it('permutes with its rows', () => {
    const parameters = drawnParameters(stack, 22);
    const order = [2, 0, 1];
    const plain = routeRows(stack, rows, { parameters });
    const moved = routeRows(
      stack,
      order.map((r) => rows[r] as RoutingKey),
      { parameters },
    );
    for (const [site, { values, chosen }] of moved.entries()) {
      order.forEach((from, to) => {
        expect(chosen[to]).toEqual(plain[site]?.chosen[from]);
        expect([...values.subarray(to * 5, to * 5 + 5)]).toEqual([
          ...(plain[site]?.values.subarray(from * 5, from * 5 + 5) ?? []),
        ]);
      });
    }
    tf.dispose([...plain, ...moved].map(({ gates }) => gates));
    parameters.dispose();
  });

  it('leaks nothing, forward and backward', () => {
    const parameters = drawnParameters(stack, 23);
    const run = (): void => {
      const { loss, gradients } = parameterGradients(
        parameters,
        () =>
          tf.tidy(() =>
            tf.addN(routeRows(stack, rows, { parameters }).map(({ gates }) => gates.square().sum())),
          ) as tf.Scalar,
      );
      loss.dispose();
      tf.dispose(gradients);
      for (const { gates } of routeRows(stack, rows, { parameters })) gates.dispose();
    };
    run();
    expect(leakedTensors(run)).toEqual({ tensors: 0, buffers: 0 });
    parameters.dispose();
  });
});

describe('routeRows', () => {
  beforeAll(async () => {
    await engines[0]?.use();
  });

  const cases = [1, 2].flatMap((topK) =>
    [true, false].flatMap((renormalize) => [false, true].map((noisy) => ({ topK, renormalize, noisy }))),
  );
  it.each(cases)('has the gradient of its own central differences: %o', ({ topK, renormalize, noisy }) => {
    const of = { ...stack, topK, renormalize };
    // A seed whose best and second best stay apart by more than the step: at a tie there is no gradient to find.
    const parameters = drawnParameters(of, 35);
    const weigher = createRandom(32);
    const upstream = of.sites * rows.length * of.experts;
    const factors = Float32Array.from({ length: upstream }, () => weigher.normal());
    const evaluate = (): tf.Scalar =>
      tf.tidy(() => {
        const decisions = routeRows(of, rows, {
          parameters,
          // The same draw at every evaluation: noise is a constant of the function.
          ...(noisy ? { training: true, random: createRandom(33) } : {}),
        });
        return tf
          .stack(decisions.map(({ gates }) => gates))
          .mul(tf.tensor3d(factors, [of.sites, rows.length, of.experts]))
          .sum() as tf.Scalar;
      });
    const { loss, gradients } = parameterGradients(parameters, evaluate);
    const value = (): number => {
      const scalar = evaluate();
      const [result = NaN] = scalar.dataSync();
      scalar.dispose();
      return result;
    };
    for (const { name, variable } of parameters.entries()) {
      const start = Float32Array.from(variable.dataSync());
      const gradient = gradients[name]?.dataSync() ?? [];
      // Every seventh element keeps this quick; seven has no factor in common with the extents.
      for (let i = 0; i < start.length; i += 7) {
        const at = (delta: number): number => {
          const moved = start.slice();
          moved[i] = (moved[i] ?? 0) + delta;
          parameters.write(name, moved);
          return value();
        };
        const step = 4e-3;
        const expected = (at(step) - at(-step)) / (2 * step);
        expect(Math.abs((gradient[i] ?? NaN) - expected), `${name}[${i}]`).toBeLessThan(2e-3);
      }
      parameters.write(name, start);
    }
    loss.dispose();
    tf.dispose(gradients);
    parameters.dispose();
  });

  it('lets gradients through where there is one router alone', () => {
    const lone = { ...stack, sites: 1 };
    const parameters = drawnParameters(lone, 36);
    const { loss, gradients } = parameterGradients(parameters, () =>
      tf.tidy(() => tf.sum(tf.square(routeRows(lone, rows, { parameters })[0]?.gates ?? tf.scalar(NaN)))),
    );
    expect(Object.keys(gradients)).toHaveLength(5);
    loss.dispose();
    tf.dispose(gradients);
    parameters.dispose();
  });

  it('draws its noise per router, row and expert, from the given stream', () => {
    const parameters = drawnParameters(stack, 41);
    const twin = createRandom(42);
    const random = createRandom(42);
    const values = (source?: Random): number[] =>
      routeRows(stack, rows, { parameters, ...(source ? { training: true, random: source } : {}) }).flatMap(
        ({ gates, probabilities }) => {
          gates.dispose();
          return [...probabilities];
        },
      );
    const quiet = values();
    const noisy = values(random);
    // ln p_noisy - ln p_quiet is the draw (std 1/5) up to one constant for each row.
    for (let row = 0; row < 9; row += 1) {
      const draws = Array.from({ length: 5 }, () => twin.normal() / 5);
      const shifts = draws.map(
        (draw, e) => Math.log((noisy[row * 5 + e] ?? 0) / (quiet[row * 5 + e] ?? 0)) - draw,
      );
      shifts.forEach((shift) => expect(shift).toBeCloseTo(shifts[0] ?? NaN, 4));
    }
    expect(random.state()).toEqual(twin.state());
    expect(values(random)).not.toEqual(noisy);
    parameters.dispose();
  });

  it('is one node and one kernel, whatever the number of routers', async () => {
    const wide = { ...stack, sites: 24 };
    const parameters = drawnParameters(wide, 51);
    const { kernelNames } = await tf.profile(() => {
      tf.dispose(routeRows(wide, rows, { parameters }).map(({ gates }) => gates));
      return tf.scalar(0);
    });
    // The unnamed one is the decision itself, computed on the host.
    expect([...kernelNames].sort()).toEqual(['Unpack', 'unnamed scope']);
    parameters.dispose();
  });

  it('says what it lacks', () => {
    const parameters = drawnParameters(stack, 61);
    expect(() => routeRows(stack, [], { parameters })).toThrow(
      'routers: expected at least one row to decide for, got none; pass the rows of the call',
    );
    expect(() => routeRows(stack, rows, { parameters, training: true })).toThrow(
      'gate: expected a random stream for the training noise, got none',
    );
    expect(() => routeRows({ ...stack, prefix: 'gates' }, rows, { parameters })).toThrow(
      'unknown parameter "gates.attribute.weight"',
    );
    parameters.dispose();
  });
});
