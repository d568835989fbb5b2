/**
 * The CPU operators of native/operators against their twins, the same kernels composed of ATen operators (which is what
 * runs on CUDA), in f32 and bf16; and that kernels free what they create.
 */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TorchBackend } from '../backend.ts';
import { describeTorch, registerTorchEngine } from '../engine.ts';
import { ScalarType } from '../native/scalar-types.ts';
import { composeAlways } from './operand.ts';

type Inputs = Record<string, tf.Tensor>;

/** A repeatable sequence of numbers in (-1.5, 1.5). */
const numbers = (size: number, phase: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => 1.5 * Math.sin(12.9898 * (i + 1) + 78.233 * phase));

let phase = 0;
const make = (...shape: number[]): tf.Tensor => {
  phase += 1;
  return tf.tensor(
    numbers(
      shape.reduce((product, size) => product * size, 1),
      phase,
    ),
    shape,
  );
};

const context = () => (tf.backend() as TorchBackend).context;

const run = (name: string, inputs: Inputs, attributes: object = {}): tf.Tensor[] => {
  const out = tf.engine().runKernel(name, inputs, attributes as tf.NamedAttrMap) as tf.Tensor | tf.Tensor[];
  return Array.isArray(out) ? out : [out];
};

const mask = () => tf.tensor4d([0, -1e4, 0, 0, 0, -1e4, -1e4, 0, 0, 0, 0, 0, -1e4, -1e4, 0, 0], [1, 1, 4, 4]);
const experts = () =>
  Object.fromEntries(
    [0, 1, 2].flatMap((e) => [
      [`weight${e}`, make(5, 6)],
      [`bias${e}`, make(5)],
    ]),
  ) as Inputs;
const routing = {
  used: [0, 2, 3],
  chosen: [[0, 3], [2, 3], []],
  segments: [
    { row: 0, start: 0, length: 1 },
    { row: 1, start: 1, length: 2 },
    { row: 0, start: 3, length: 0 },
    { row: 0, start: 3, length: 1 },
  ],
};

const forwardOf = (name: string, inputs: Inputs, attributes: object): tf.Tensor[] =>
  run(name, inputs, attributes);

/** Each case makes its inputs and returns all results. */
const cases: Record<string, () => tf.Tensor[]> = {
  linear: () =>
    run('PgLinear', { x: make(2, 3, 6), weight: make(5, 6), bias: make(5) }, { activation: 'none' }),
  'linear without bias': () => run('PgLinear', { x: make(7, 6), weight: make(5, 6) }, { activation: 'none' }),
  'linear with gelu': () => {
    const inputs = { x: make(2, 20, 6), weight: make(5, 6), bias: make(5) };
    const [y, z] = forwardOf('PgLinear', inputs, { activation: 'gelu' }) as [tf.Tensor, tf.Tensor];
    const gradient = { dy: make(2, 20, 5), x: inputs.x, weight: inputs.weight, z };
    return [
      y,
      z,
      ...run('PgLinearGrad', gradient, { activation: 'gelu', wantsWeight: true, wantsBias: true }),
    ];
  },
  'linear gradient': () =>
    run(
      'PgLinearGrad',
      { dy: make(40, 5), x: make(40, 6), weight: make(5, 6) },
      { activation: 'none', wantsWeight: true, wantsBias: true },
    ),
  'linear gradient of the input alone': () =>
    run(
      'PgLinearGrad',
      { dy: make(1, 5), x: make(1, 6), weight: make(5, 6) },
      { activation: 'none', wantsWeight: false, wantsBias: false },
    ),
  gelu: () => [
    ...run('PgGelu', { x: make(3, 40) }),
    ...run('PgGeluGrad', { dy: make(3, 40), x: make(3, 40) }),
  ],
  layerNorm: () => {
    const inputs = { x: make(3, 11, 37), gamma: make(37), beta: make(37) };
    const [y, mean, inverse] = run('PgLayerNorm', inputs, { epsilon: 1e-5 }) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const gradient = { dy: make(3, 11, 37), x: inputs.x, gamma: inputs.gamma, mean, inverse };
    return [y, mean, inverse, ...run('PgLayerNormGrad', gradient)];
  },
  residual: () =>
    run('PgResidual', { x: make(2, 3, 5), branch: make(2, 3, 5), scale: make(5), keep: make(2) }),
  'residual alone': () => run('PgResidual', { x: make(2, 5), branch: make(2, 5) }),
  'residual gradient': () =>
    run(
      'PgResidualGrad',
      { dy: make(2, 20, 5), branch: make(2, 20, 5), scale: make(5), keep: make(2) },
      { wantsScale: true },
    ),
  'residual gradient without scale': () =>
    run('PgResidualGrad', { dy: make(2, 3, 5), keep: make(2) }, { wantsScale: false }),
  ...Object.fromEntries(
    (['none', 'shared', 'own'] as const).map((kind) => [
      `attention, prompts ${kind}`,
      () => {
        const prompts: Inputs =
          kind === 'none'
            ? {}
            : kind === 'shared'
              ? { promptKeys: make(2, 6), promptValues: make(2, 6) }
              : { promptKeys: make(3, 2, 6), promptValues: make(3, 2, 6) };
        const [y, ...state] = run(
          'PgAttention',
          { qkv: make(3, 4, 18), mask: mask(), ...prompts },
          { heads: 2 },
        );
        const kept = Object.fromEntries(state.map((tensor, at) => [`state${at}`, tensor]));
        const keys: Inputs = prompts['promptKeys'] ? { promptKeys: prompts['promptKeys'] } : {};
        return [
          y as tf.Tensor,
          ...state,
          ...run('PgAttentionGrad', { dy: make(3, 4, 6), ...keys, ...kept }, { heads: 2 }),
        ];
      },
    ]),
  ),
  conditionalLinear: () => {
    const inputs = { x: make(2, 4, 6), gates: make(3, 4), ...experts() };
    const [y, ...merged] = run('PgConditionalLinear', inputs, routing);
    const kept = Object.fromEntries(merged.map((tensor, at) => [`merged${at}`, tensor]));
    return [
      y as tf.Tensor,
      ...merged,
      ...run('PgConditionalLinearGrad', { ...inputs, ...kept, dy: make(2, 4, 5) }, routing),
    ];
  },
  mergeExperts: () =>
    run('PgMergeExperts', { gates: make(2, 4), ...experts() }, { used: [0, 2, 3], chosen: [[0, 2, 3], [3]] }),
  globalNorm: () => run('PgGlobalNorm', { tensor0: make(3, 4), tensor1: make(5000) }, { count: 2 }),
  adamW: () => {
    const [w, m, v] = [make(300), tf.zeros([300]), tf.zeros([300])];
    const inputs = { variable0: w, gradient0: make(300), m0: m, v0: v };
    const attributes = {
      count: 1,
      beta1: 0.9,
      beta2: 0.98,
      epsilon: 1e-6,
      gradScale: 0.5,
      decayFactors: [0.99],
      stepSizes: [0.1],
      secondCorrections: [7.07],
    };
    run('PgAdamW', inputs, attributes);
    return [w, m, v];
  },
};

const valuesOf = (one: () => tf.Tensor[], composed: boolean): Float32Array[] => {
  phase = 0;
  composeAlways(context(), composed);
  return tf.tidy(() => one().map((tensor) => Float32Array.from(tensor.dataSync())));
};

describe.runIf(describeTorch().available).each([
  ['f32', 2e-6],
  ['bf16', 2e-2],
] as const)('%s', (precision, tolerance) => {
  beforeAll(async () => {
    await registerTorchEngine({ precision });
  });
  afterEach(() => {
    composeAlways(context(), false);
  });

  it.each(Object.keys(cases))('%s: own operators agree with their ATen twins', (name) => {
    const one = cases[name] as () => tf.Tensor[];
    const own = valuesOf(one, false);
    const twin = valuesOf(one, true);
    expect(own.length).toBe(twin.length);
    own.forEach((values, at) => {
      const expected = twin[at] as Float32Array;
      expect(values.length).toBe(expected.length);
      const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      values.forEach((value, i) => {
        expect(
          Math.abs(value - (expected[i] ?? Number.NaN)) / scale,
          `result ${at}, element ${i}`,
        ).toBeLessThan(tolerance);
      });
    });
  });

  it.each(Object.keys(cases))('%s: frees every handle that it created', (name) => {
    const one = cases[name] as () => tf.Tensor[];
    const handles = () => (tf.backend() as TorchBackend).memory().handles;
    valuesOf(one, false);
    const before = handles();
    valuesOf(one, false);
    expect(handles()).toBe(before);
  });

  it('stores what the table of precisions says', () => {
    tf.tidy(() => {
      const types = (tensors: tf.Tensor[]) => tensors.map((tensor) => context().typeOf(tensor));
      const exact = ScalarType.float32;
      const activation = precision === 'bf16' ? ScalarType.bfloat16 : exact;
      const [x, weight, bias] = [make(4, 6), make(5, 6), make(5)];
      expect(types(run('PgLinear', { x, weight, bias }, { activation: 'gelu' }))).toEqual([
        activation,
        activation,
      ]);
      const wanted = { activation: 'none', wantsWeight: true, wantsBias: true };
      expect(types(run('PgLinearGrad', { dy: make(4, 5), x, weight }, wanted))).toEqual([
        activation,
        exact,
        exact,
      ]);
      const norm = run('PgLayerNorm', { x, gamma: make(6), beta: make(6) }, { epsilon: 1e-5 });
      expect(types(norm)).toEqual([activation, exact, exact]);
      expect(types(run('PgResidual', { x, branch: x }))).toEqual([exact]);
      expect(types(run('PgResidualGrad', { dy: x }, { wantsScale: false }))).toEqual([activation]);
      const qkv = make(1, 2, 6);
      expect(types(run('PgAttention', { qkv }, { heads: 1 }))).toEqual(
        Array.from({ length: 5 }, () => activation),
      );
      const mixture = { x: make(2, 4, 6), gates: make(3, 4), ...experts() };
      const [y, ...merged] = run('PgConditionalLinear', mixture, routing);
      expect(types([y as tf.Tensor, ...merged])).toEqual([activation, activation, activation]);
      const labels = tf.tensor1d([0, 1, 2, 3], 'int32');
      expect(types(run('PgCrossEntropy', { logits: x, labels }, { labelSmoothing: 0.1 }))).toEqual([
        exact,
        exact,
      ]);
    });
  });

  it('an update that fails in the middle leaks nothing and names the remedy', () => {
    tf.tidy(() => {
      const w = make(3);
      const shared = w.clone();
      const [g, m, v] = [make(3), tf.zeros([3]), tf.zeros([3])];
      const before = (tf.backend() as TorchBackend).memory().handles;
      const attributes = {
        count: 1,
        beta1: 0.9,
        beta2: 0.98,
        epsilon: 1e-6,
        gradScale: 1,
        decayFactors: [1],
        stepSizes: [1],
        secondCorrections: [1],
      };
      expect(() => run('PgAdamW', { variable0: shared, gradient0: g, m0: m, v0: v }, attributes)).toThrow(
        'PgAdamW: expected a parameter that owns its storage, got one that shares it with another tensor; dispose of views of parameters before the update',
      );
      expect((tf.backend() as TorchBackend).memory().handles).toBe(before);
    });
  });
});
