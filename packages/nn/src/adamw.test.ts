import { createRandom, StateError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { AdamW } from './adamw.ts';
import type { ParameterRole } from './parameter-spec.ts';
import { allocateParameters, type ParameterSet } from './parameters.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const vector = (name: string, role: ParameterRole = 'weight', size = 2) => ({
  name,
  shape: [size],
  initializer: { kind: 'ones' } as const,
  role,
});

const step = async (
  optimizer: AdamW,
  values: Readonly<Record<string, readonly number[]>>,
  options: { learningRate?: number; clipNorm?: number } = {},
) => {
  const gradients = Object.fromEntries(
    Object.entries(values).map(([name, v]) => [name, tf.tensor1d([...v])]),
  );
  try {
    return await optimizer.step(gradients, options);
  } finally {
    tf.dispose(gradients);
  }
};

/** The module's equations, one scalar at a time in double precision. */
class Twin {
  m = 0;
  v = 0;
  t = 0;
  value: number;
  constructor(value: number) {
    this.value = value;
  }
  step(g: number, lr: number, decay: number): void {
    this.t += 1;
    this.m = 0.9 * this.m + 0.1 * g;
    this.v = 0.98 * this.v + 0.02 * g * g;
    this.value -= lr * decay * this.value;
    this.value -= (lr * (this.m / (1 - 0.9 ** this.t))) / (Math.sqrt(this.v / (1 - 0.98 ** this.t)) + 1e-6);
  }
}

const one = (role: ParameterRole = 'weight'): ParameterSet =>
  allocateParameters([vector('p', role)], createRandom(1));

describe('AdamW', () => {
  it('makes the two steps that a hand computes', async () => {
    using parameters = one();
    using optimizer = new AdamW(parameters, { beta1: 0.5, beta2: 0.5, epsilon: 1e-12, weightDecay: 0.1 });
    // Step 1, lr 0.1, p = 1, g = (2, -4): m = (1, -2), v = (2, 8); corrected by 1 / 0.5: m^ = (2, -4), v^ = (4, 16).
    //   p = 1 (1 - 0.1 0.1) = 0.99; minus 0.1 (2 / 2, -4 / 4) = (0.89, 1.09)
    await step(optimizer, { p: [2, -4] }, { learningRate: 0.1 });
    const [a, b] = await parameters.read('p');
    expect(a).toBeCloseTo(0.89, 6);
    expect(b).toBeCloseTo(1.09, 6);
    // Step 2, lr 0.2, g = (2, 2): m = (1.5, 0), v = (3, 6); corrected by 1 / 0.75: m^ = (2, 0), v^ = (4, 8).
    //   p = (0.89, 1.09) 0.98 = (0.8722, 1.0682); minus 0.2 (2 / 2, 0) = (0.6722, 1.0682)
    await step(optimizer, { p: [2, 2] }, { learningRate: 0.2 });
    const [c, d] = await parameters.read('p');
    expect(c).toBeCloseTo(0.6722, 6);
    expect(d).toBeCloseTo(1.0682, 6);
  });

  it('decays weights alone', async () => {
    const roles: readonly ParameterRole[] = [
      'weight',
      'bias',
      'norm',
      'embedding',
      'gate',
      'temperature',
      'scale',
    ];
    using parameters = allocateParameters(
      roles.map((role) => vector(role, role)),
      createRandom(1),
    );
    using optimizer = new AdamW(parameters, { weightDecay: 0.5 });
    await step(optimizer, Object.fromEntries(roles.map((role) => [role, [0, 0]])), { learningRate: 0.1 });
    for (const role of roles)
      expect((await parameters.read(role))[0]).toBeCloseTo(role === 'weight' ? 0.95 : 1, 6);
  });

  it('equals a plain loop over random gradients, parameters coming and going', async () => {
    const gradient = fc.double({ min: -3, max: 3, noNaN: true });
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            a: fc.option(gradient),
            b: fc.option(gradient),
            lr: fc.double({ min: 1e-4, max: 0.1, noNaN: true }),
          }),
          {
            minLength: 1,
            maxLength: 8,
          },
        ),
        async (steps) => {
          using parameters = allocateParameters(
            [vector('a', 'weight', 1), vector('b', 'bias', 1)],
            createRandom(1),
          );
          using optimizer = new AdamW(parameters);
          const twins = { a: new Twin(1), b: new Twin(1) };
          for (const { a, b, lr } of steps) {
            const present = { ...(a === null ? {} : { a: [a] }), ...(b === null ? {} : { b: [b] }) };
            await step(optimizer, present, { learningRate: lr });
            if (a !== null) twins.a.step(a, lr, 0.05);
            if (b !== null) twins.b.step(b, lr, 0);
          }
          for (const name of ['a', 'b'] as const) {
            expect((await parameters.read(name))[0]).toBeCloseTo(twins[name].value, 4);
            expect(optimizer.state().get(name)?.count ?? 0).toBe(twins[name].t);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('leaves a parameter without gradient alone, value, moments and count', async () => {
    using parameters = allocateParameters([vector('used'), vector('unused')], createRandom(1));
    using optimizer = new AdamW(parameters, { weightDecay: 0.5 });
    await step(optimizer, { used: [1, 1], unused: [1, 2] });
    const value = await parameters.read('unused');
    const moment = [...(await (optimizer.state().get('unused')?.slots['m'] as tf.Tensor).data())];
    for (let i = 0; i < 3; i += 1) await step(optimizer, { used: [1, 1] });
    expect(await parameters.read('unused')).toEqual(value);
    expect([...(await (optimizer.state().get('unused')?.slots['m'] as tf.Tensor).data())]).toEqual(moment);
    expect([...optimizer.state()].map(([name, { count }]) => [name, count])).toEqual([
      ['used', 4],
      ['unused', 1],
    ]);
  });

  it('clips by the norm over all parameters and reports the norm before', async () => {
    using parameters = allocateParameters([vector('a'), vector('b')], createRandom(1));
    using optimizer = new AdamW(parameters, { beta1: 0 });
    // sqrt(3^2 + 4^2 + 12^2 + 0) = 13; clipped to 6.5 every gradient halves
    const report = await step(optimizer, { a: [3, 4], b: [12, 0] }, { clipNorm: 6.5 });
    expect(report.gradientNorm).toBeCloseTo(13, 5);
    expect(report.updated).toBe(2);
    const moment = await (optimizer.state().get('b')?.slots['m'] as tf.Tensor).data();
    expect(moment[0]).toBeCloseTo(6, 5);
    await step(optimizer, { a: [3, 4] }, { clipNorm: 6.5 });
    expect([...(await (optimizer.state().get('a')?.slots['m'] as tf.Tensor).data())]).toEqual([3, 4]);
  });

  it('changes nothing when a gradient is not finite, and names the culprit', async () => {
    using parameters = allocateParameters([vector('a'), vector('b')], createRandom(1));
    using optimizer = new AdamW(parameters);
    const error = await step(optimizer, { a: [1, 1], b: [1, NaN] }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(StateError);
    expect((error as StateError).code).toBe('gradient-not-finite');
    expect((error as StateError).message).toContain('(1 not finite: b); no parameter was changed');
    expect([...(await parameters.read('a'))]).toEqual([1, 1]);
    expect(optimizer.state().size).toBe(0);
  });

  it('goes on after restore as if it had never stopped, and shares no memory', async () => {
    using parameters = one();
    using optimizer = new AdamW(parameters);
    await step(optimizer, { p: [1, -2] });
    using copy = one();
    copy.write('p', await parameters.read('p'));
    using second = new AdamW(copy);
    await step(second, { p: [5, 5] });
    copy.write('p', await parameters.read('p'));
    second.restore(optimizer.state());
    for (const target of [optimizer, second]) await step(target, { p: [0.5, 3] });
    expect(await copy.read('p')).toEqual(await parameters.read('p'));
    expect(second.state().get('p')?.count).toBe(2);
  });

  it('keeps the tensor count flat and frees all it made', async () => {
    using parameters = one();
    const before = tf.memory().numTensors;
    const optimizer = new AdamW(parameters);
    await step(optimizer, { p: [1, 1] });
    const after = tf.memory().numTensors;
    expect(after).toBe(before + 2);
    for (let i = 0; i < 20; i += 1) await step(optimizer, { p: [1, i] }, { clipNorm: 1 });
    expect(tf.memory().numTensors).toBe(after);
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('says which setting, name or shape does not fit', async () => {
    using parameters = one();
    expect(() => new AdamW(parameters, { beta2: 1 })).toThrow('AdamW: expected beta2 in [0, 1), got 1');
    using optimizer = new AdamW(parameters);
    await expect(step(optimizer, { q: [1, 1] })).rejects.toThrow('unknown parameter "q"');
    await expect(step(optimizer, { p: [1] })).rejects.toThrow(
      'AdamW: expected a tensor of shape [2] for "p", got [1]; is it of another model?',
    );
    await expect(step(optimizer, { p: [1, 1] }, { clipNorm: 0 })).rejects.toThrow(
      'expected clipNorm above 0, got 0',
    );
  });
});
