import { checkSettings, ConfigError, createRandom } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AdamW } from './adamw.ts';
import {
  createOptimizer,
  optimizerNamed,
  optimizerNames,
  optimizerSchema,
  optimizerSlots,
  registerOptimizer,
} from './optimizer-registry.ts';
import type { Optimizer, OptimizerOptions } from './optimizer.ts';
import { layerDecayGroups } from './parameter-groups.ts';
import type { ParameterRole } from './parameter-spec.ts';
import { allocateParameters, type ParameterSet } from './parameters.ts';
import { Sgd } from './sgd.ts';
import { SlotOptimizer } from './slot-optimizer.ts';

let folder = '';
beforeAll(async () => {
  await tf.setBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'polygate-optimizers-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const spec = (name: string, role: ParameterRole = 'weight') => ({
  name,
  shape: [2],
  initializer: { kind: 'ones' } as const,
  role,
});

const step = async (
  optimizer: Optimizer,
  values: Readonly<Record<string, readonly number[]>>,
  rate?: number,
) => {
  const gradients = Object.fromEntries(
    Object.entries(values).map(([name, v]) => [name, tf.tensor1d([...v])]),
  );
  try {
    return await optimizer.step(gradients, rate === undefined ? {} : { learningRate: rate });
  } finally {
    tf.dispose(gradients);
  }
};

const close = (got: ArrayLike<number>, wanted: readonly number[]): void => {
  expect(got.length).toBe(wanted.length);
  wanted.forEach((value, at) => expect(got[at]).toBeCloseTo(value, 6));
};

const parsed = (settings: object) => checkSettings(optimizerSchema(), settings, 'recipe');

describe('Sgd', () => {
  const gradients = [
    [3, -1],
    [0.5, 2],
    [-4, 0.25],
  ] as const;
  const train = async (options: object): Promise<Float32Array> => {
    using parameters = allocateParameters([spec('p')], createRandom(1));
    parameters.write('p', Float32Array.of(1, -2));
    using optimizer = new Sgd(parameters, { learningRate: 0.1, momentum: 0.9, ...options });
    for (const gradient of gradients) await step(optimizer, { p: gradient });
    return parameters.read('p');
  };

  it('makes the steps that a hand computes', async () => {
    // u: 3, 3.2, -1.12 and -1, 1.1, 1.24; p = 1 - 0.1 (3 + 3.2 - 1.12) and -2 - 0.1 (-1 + 1.1 + 1.24)
    close(await train({}), [0.492, -2.134]);
  });

  it('gives what torch.optim.SGD of PyTorch 2.15 gives with nesterov and weight decay', async () => {
    close(await train({ nesterov: true, weightDecay: 0.1 }), [0.546187171, -2.090397292]);
  });

  it('keeps nothing of a parameter without momentum', async () => {
    using parameters = allocateParameters([spec('p')], createRandom(1));
    using optimizer = new Sgd(parameters, { momentum: 0 });
    await step(optimizer, { p: [1, 1] });
    expect(optimizer.state().get('p')).toEqual({ count: 1, slots: {} });
  });

  it('refuses rates that are no numbers of at least 0, and changes nothing', async () => {
    using parameters = allocateParameters([spec('p')], createRandom(1));
    for (const Kind of [AdamW, Sgd]) {
      using optimizer = new Kind(parameters);
      for (const rate of [NaN, Infinity, -0.1]) {
        await expect(step(optimizer, { p: [1, 1] }, rate)).rejects.toThrow(
          `expected learningRate of at least 0, got ${rate}`,
        );
        expect(() => new Kind(parameters, { learningRate: rate })).toThrow(
          `expected learningRate of at least 0, got ${rate}`,
        );
      }
      expect([...optimizer.state().keys()]).toEqual([]);
    }
    expect([...(await parameters.read('p'))]).toEqual([1, 1]);
  });

  it('refuses settings out of range', () => {
    using parameters = allocateParameters([spec('p')], createRandom(1));
    expect(() => new Sgd(parameters, { momentum: 1 })).toThrow('SGD: expected momentum in [0, 1), got 1');
    expect(() => new Sgd(parameters, { momentum: 0, nesterov: true })).toThrow(
      'SGD: expected momentum above 0 with nesterov, got 0; leave nesterov out',
    );
  });
});

describe('parameter groups', () => {
  it('multiply rates; of several decays the last counts', async () => {
    using parameters = allocateParameters(
      [spec('a.weight'), spec('a.bias', 'bias'), spec('b.weight')],
      createRandom(1),
    );
    using optimizer = new Sgd(parameters, {
      learningRate: 0.1,
      momentum: 0,
      weightDecay: 0.5,
      groups: [
        { names: ['a.*'], rate: 0.5, weightDecay: 0.2 },
        { roles: ['bias'], rate: 0.1 },
        { names: ['a.weight'], weightDecay: 0 },
      ],
    });
    await step(optimizer, { 'a.weight': [1, 0], 'a.bias': [1, 0], 'b.weight': [1, 0] });
    close(await parameters.read('a.weight'), [1 - 0.05, 1]); // rate 0.05, no decay
    close(await parameters.read('a.bias'), [1 - 0.005 * 1.2, 1 - 0.005 * 0.2]); // rate 0.005, decay 0.2
    close(await parameters.read('b.weight'), [1 - 0.1 * 1.5, 1 - 0.1 * 0.5]);
  });

  it('give AdamW the same numbers where no group says anything', async () => {
    const run = async (options: object): Promise<Float32Array> => {
      using parameters = allocateParameters([spec('p')], createRandom(1));
      using optimizer = new AdamW(parameters, options);
      for (const gradient of [
        [0.3, -2],
        [1, 0.1],
      ])
        await step(optimizer, { p: gradient }, 0.01);
      return parameters.read('p');
    };
    expect(await run({ groups: [{ names: ['p'], rate: 1 }] })).toEqual(await run({}));
    expect(await run({ groups: [{ names: ['p'], rate: 0 }] })).toEqual(Float32Array.of(1, 1));
  });

  it('refuse rules that select nothing and numbers below 0', () => {
    using parameters = allocateParameters([spec('p')], createRandom(1));
    expect(() => new AdamW(parameters, { groups: [{ names: ['q'], rate: 1 }] })).toThrow(
      'unknown parameter "q"',
    );
    expect(() => new AdamW(parameters, { groups: [{ roles: ['gate'] }] })).toThrow(
      'parameter group: expected a selection of at least one of 1 parameters, got none',
    );
    expect(() => new AdamW(parameters, { groups: [{ rate: -1 }] })).toThrow(
      'parameter group: expected rate of at least 0, got -1; 0 switches it off',
    );
  });
});

describe('layerDecayGroups', () => {
  const specs = [
    spec('embedding.patch.weight'),
    spec('blocks.0.ffn.weight'),
    spec('blocks.1.ffn.weight'),
    spec('blocks.1.ffn.bias', 'bias'),
    spec('norm.gamma', 'norm'),
  ];

  it('lowers the rate from layer to layer', () => {
    // The final norm is on top of two blocks; embeddings are below them: 0.5 ** 0, 1, 2 and 3.
    expect(layerDecayGroups(specs, { decay: 0.5 })).toEqual([
      { names: ['embedding.patch.weight'], rate: 0.125 },
      { names: ['blocks.0.ffn.weight'], rate: 0.25 },
      { names: ['blocks.1.ffn.weight', 'blocks.1.ffn.bias'], rate: 0.5 },
      { names: ['norm.gamma'], rate: 1 },
    ]);
    expect(layerDecayGroups(specs, { decay: 0.1, layerOf: ({ role }) => (role === 'norm' ? 9 : 7) })).toEqual(
      [
        { names: specs.slice(0, 4).map(({ name }) => name), rate: 0.1 ** 2 },
        { names: ['norm.gamma'], rate: 1 },
      ],
    );
    expect(() => layerDecayGroups(specs, { decay: 0 })).toThrow(
      'layer decay: expected a factor in (0, 1], got 0; 1 is the same rate for all',
    );
  });

  it('is what a recipe says with layerDecay', async () => {
    using parameters = allocateParameters(specs, createRandom(1));
    using optimizer = createOptimizer(
      parameters,
      parsed({ kind: 'sgd', momentum: 0, layerDecay: 0.5, groups: [{ roles: ['bias'], rate: 0 }] }),
    );
    await step(optimizer, Object.fromEntries(specs.map(({ name }) => [name, [1, 1]])));
    const moved = await Promise.all(
      specs.map(async ({ name }) => 1 - ((await parameters.read(name))[0] ?? NaN)),
    );
    close(moved, [0.0125, 0.025, 0.05, 0, 0.1]);
  });
});

describe('the registry of optimizers', () => {
  it('fills in defaults and takes AdamW where nothing is said', () => {
    expect(optimizerNames().slice(0, 2)).toEqual(['adamw', 'sgd']);
    expect(parsed({})).toEqual({
      kind: 'adamw',
      learningRate: 5e-4,
      beta1: 0.9,
      beta2: 0.98,
      epsilon: 1e-6,
      weightDecay: 0.05,
      clipNorm: 0.5,
    });
    expect(parsed({ kind: 'sgd', momentum: 0.5 })).toMatchObject({ learningRate: 0.1, momentum: 0.5 });
  });

  it('refuses what an optimizer does not have', () => {
    expect(() => parsed({ momentum: 0.9 })).toThrow('unknown recipe key "momentum"');
    expect(() => parsed({ kind: 'adamx' })).toThrow('unknown kind "adamx"');
    expect(() => parsed({ beta1: 1 })).toThrow('recipe: beta1: expected at most 1, got 1');
    expect(() => optimizerNamed('adamx')).toThrow(ConfigError);
  });

  it('tells what each optimizer keeps of a parameter, as its state has it', async () => {
    for (const settings of [{}, { kind: 'sgd' }, { kind: 'sgd', momentum: 0 }]) {
      using parameters = allocateParameters([spec('p')], createRandom(1));
      using optimizer = createOptimizer(parameters, parsed(settings));
      await step(optimizer, { p: [3, -0.1] });
      const { slots = {} } = optimizer.state().get('p') ?? {};
      expect(optimizerSlots(parsed(settings))).toEqual(Object.keys(slots));
    }
  });

  it('takes one of another package, by its update rule', async () => {
    /** The sign of the gradient (Bernstein et al. 2018), the shortest optimizer there is. */
    registerOptimizer({
      name: 'sign-test',
      summary: 'steps of the rate along the sign',
      settings: z.strictObject({ learningRate: z.number().default(0.25) }),
      slots: () => [],
      create: (set: ParameterSet, options: OptimizerOptions & { readonly learningRate: number }) =>
        new SlotOptimizer(
          set,
          {
            name: 'sign-test',
            label: 'sign',
            slots: [],
            weightDecay: 0,
            learningRate: options.learningRate,
            update: (items) => {
              for (const { variable, gradient, learningRate } of items)
                variable.assign(tf.tidy(() => tf.sub(variable, tf.mul(tf.sign(gradient), learningRate))));
            },
          },
          options,
        ),
    });
    using parameters = allocateParameters([spec('p')], createRandom(1));
    using optimizer = createOptimizer(parameters, parsed({ kind: 'sign-test' }));
    await step(optimizer, { p: [3, -0.1] });
    close(await parameters.read('p'), [0.75, 1.25]);
  });
});

describe('state in files', () => {
  it('goes on bit for bit', async () => {
    const specs = [spec('a'), spec('b')];
    using parameters = allocateParameters(specs, createRandom(1));
    using optimizer = new Sgd(parameters);
    await step(optimizer, { a: [1, 2], b: [3, 4] });
    await step(optimizer, { a: [1, -2] });
    const path = join(folder, 'sgd.safetensors');
    await optimizer.save(path);
    using copy = allocateParameters(specs, createRandom(2));
    for (const { name } of specs) copy.write(name, await parameters.read(name));
    using resumed = new Sgd(copy);
    await resumed.load(path);
    expect([...resumed.state()].map(([name, { count }]) => [name, count])).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    for (const each of [optimizer, resumed]) await step(each, { a: [0.5, 1], b: [1, 1] });
    for (const { name } of specs) expect(await copy.read(name)).toEqual(await parameters.read(name));
  });

  it('refuses that of another optimizer', async () => {
    using parameters = allocateParameters([spec('a')], createRandom(1));
    using sgd = new Sgd(parameters);
    await step(sgd, { a: [1, 2] });
    const path = join(folder, 'other.safetensors');
    await sgd.save(path);
    using adam = new AdamW(parameters);
    await expect(adam.load(path)).rejects.toThrow(
      'expected the state of adamw, got that of sgd; go on with the optimizer that the run began with, or start a new run',
    );
  });
});
