/**
 * The CPU operators of native/operators against their twins, the same kernels composed of ATen operators (which is what
 * runs on CUDA), in f32 and bf16; and that kernels free what they create.
 */
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  activated,
  attend,
  cases,
  causal,
  context,
  experts,
  make,
  plain,
  restartInputs,
  routing,
  run,
} from '../../test/fused-cases.ts';
import type { TorchBackend } from '../backend.ts';
import { describeTorch, registerTorchEngine } from '../engine.ts';
import { ScalarType } from '../native/scalar-types.ts';
import { composeAlways } from './operand.ts';

/** Settings of PgAdamW for the first update of one parameter, without decay. */
const firstUpdate = {
  beta1: 0.9,
  beta2: 0.98,
  epsilon: 1e-6,
  gradScale: 1,
  decayFactors: [1],
  stepSizes: [1],
  secondCorrections: [1],
};

/**
 * Own operators in products of blocks where the processor has them for the type, in those of AVX2 where it has wider ones
 * (which then has none of bf16), own operators without blocks, or ATen's.
 */
const ownWays = ['own', 'own in AVX2', 'own without tiles'] as const;
type Way = (typeof ownWays)[number] | 'composed';

const useTiles = (on: boolean): boolean => context().dispatcher.value('polygate::use_tiles', on) === 1;
const useWideVectors = (on: boolean): boolean =>
  context().dispatcher.value('polygate::use_wide_vectors', on) === 1;

const valuesOf = (one: () => tf.Tensor[], way: Way): Float32Array[] => {
  restartInputs();
  composeAlways(context(), way === 'composed');
  useTiles(way.startsWith('own') && way !== 'own without tiles');
  useWideVectors(way !== 'own in AVX2');
  return tf.tidy(() => one().map((tensor) => Float32Array.from(tensor.dataSync())));
};

describe.runIf(describeTorch().available).each([
  ['f32', 5e-6],
  ['bf16', 2e-2],
] as const)('%s', (precision, tolerance) => {
  beforeAll(async () => {
    await registerTorchEngine({ precision });
  });
  afterEach(() => {
    composeAlways(context(), false);
    useTiles(true);
    useWideVectors(true);
  });

  const ways = ownWays.filter((way) => precision === 'f32' || way !== 'own in AVX2');
  it.each(Object.keys(cases).flatMap((name) => ways.map((way) => [name, way] as const)))(
    '%s: %s operators agree with their ATen twins',
    (name, way) => {
      const one = cases[name] as () => tf.Tensor[];
      const fusedValues = valuesOf(one, way);
      const twin = valuesOf(one, 'composed');
      expect(fusedValues.length).toBe(twin.length);
      fusedValues.forEach((values, at) => {
        const expected = twin[at] as Float32Array;
        expect(values.length).toBe(expected.length);
        const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
        const worst = values.reduce((most, value, i) => {
          const difference = Math.abs(value - (expected[i] ?? Number.NaN)) / scale;
          return difference <= most ? most : difference;
        }, 0);
        // ATen's attention rounds the scores' gradient to bf16 before its long sums; see the test against float32 below.
        // Its products round what each expert adds before they are summed.
        const roundsMore = name.startsWith('attention') || name.startsWith('dispatched');
        const factor = precision === 'bf16' && roundsMore ? 4 : 1;
        expect(worst, `result ${at}`).toBeLessThan(factor * tolerance);
      });
    },
  );

  it.each(Object.keys(cases))('%s: frees every handle that it created', (name) => {
    const one = cases[name] as () => tf.Tensor[];
    const handles = () => (tf.backend() as TorchBackend).memory().handles;
    valuesOf(one, 'own');
    const before = handles();
    valuesOf(one, 'own');
    expect(handles()).toBe(before);
  });

  it('multiplies by a held weight as it is now: after an update, an assignment and a reshape', () => {
    const start = make(72, 40);
    const weight = tf.variable(start);
    start.dispose();
    const x = make(70, 40);
    const forward = (as: tf.Tensor = weight) => run('PgLinear', { x, weight: as }, { ...plain, held: true });
    const fresh = () => forward(weight.mul(1));
    const agree = (): void => {
      const [[y], [expected]] = [forward(), fresh()] as [[tf.Tensor], [tf.Tensor]];
      expect([...y.dataSync()]).toEqual([...expected.dataSync()]);
    };
    tf.tidy(() => {
      agree();
      const before = Float32Array.from((forward()[0] as tf.Tensor).dataSync());
      const moments = { first: [tf.zeros([72, 40])], second: [tf.zeros([72, 40])] };
      // The product's own copy is there, so that the update writes it, too.
      run('PgLinear', { x, weight }, plain);
      run('PgAdamW', {}, { ...firstUpdate, variables: [weight], gradients: [make(72, 40)], ...moments });
      agree();
      expect([...(forward()[0] as tf.Tensor).dataSync()]).not.toEqual([...before]);
      weight.assign(make(72, 40));
      agree();
      const turned = tf.reshape(weight, [40, 72]);
      const [y] = run('PgLinear', { x: make(70, 72), weight: turned }, { ...plain, held: true });
      expect(y?.shape).toEqual([70, 40]);
      agree();
    });
    tf.dispose([weight, x]);
  });

  it('passes a gradient through a weight that is not trained as through another, also after it was written', () => {
    const start = make(72, 40);
    const weight = tf.variable(start);
    const [x, dy, bias] = [make(3, 70, 40), make(3, 70, 72), make(72)];
    const agree = (): void => {
      const [y, z] = run('PgLinear', { x, weight, bias }, { ...activated, held: true });
      const [actual, ownZ] = run('PgLinear', { x, weight: weight.mul(1), bias }, activated);
      expect([...(y?.dataSync() ?? [])]).toEqual([...(actual?.dataSync() ?? [])]);
      expect([...(z?.dataSync() ?? [])]).toEqual([...(ownZ?.dataSync() ?? [])]);
      for (const kept of [undefined, z]) {
        const inputs = { dy, x, weight, ...(kept ? { z: kept } : {}) };
        const [dx] = run('PgLinearGrad', inputs, { wantsWeight: false, wantsBias: false });
        const [expected] = run('PgLinearGrad', inputs, { wantsWeight: true, wantsBias: false });
        expect([...(dx?.dataSync() ?? [])]).toEqual([...(expected?.dataSync() ?? [])]);
        expect(dx?.shape).toEqual([3, 70, 40]);
      }
    };
    tf.tidy(() => {
      agree();
      weight.assign(make(72, 40));
      agree();
    });
    tf.dispose([start, weight, x, dy, bias]);
  });

  it('stores what the table of precisions says', () => {
    tf.tidy(() => {
      const types = (tensors: tf.Tensor[]) => tensors.map((tensor) => context().typeOf(tensor));
      const exact = ScalarType.float32;
      const activation = precision === 'bf16' ? ScalarType.bfloat16 : exact;
      const [x, weight, bias] = [make(4, 6), make(5, 6), make(5)];
      expect(types(run('PgLinear', { x, weight, bias }, activated))).toEqual([activation, activation]);
      const wanted = { wantsWeight: true, wantsBias: true };
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
      expect(types(run('PgAttention', { qkv }, { heads: 1 }))[0]).toBe(activation);
      const mixture = { x: make(2, 4, 6), gates: make(3, 4), ...experts() };
      const [y, ...merged] = run('PgConditionalLinear', mixture, { ...routing, ...plain });
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
      expect(() =>
        run('PgAdamW', {}, { ...firstUpdate, variables: [shared], gradients: [g], first: [m], second: [v] }),
      ).toThrow(
        'PgAdamW: expected a parameter that owns its storage, got one that shares it with another tensor; dispose of views of parameters before the update',
      );
      expect((tf.backend() as TorchBackend).memory().handles).toBe(before);
    });
  });
});

it.runIf(describeTorch().available)('attention in bf16 is as near to float32 as bf16 allows', async () => {
  const one = () => attend({ kind: 'own', length: 71, heads: 1, head: 40, masked: causal(71) });
  await registerTorchEngine({ precision: 'f32' });
  const exact = valuesOf(one, 'composed');
  await registerTorchEngine({ precision: 'bf16' });
  const actual = valuesOf(one, 'own');
  exact.forEach((expected, at) => {
    const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const worst = expected.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - (actual[at]?.[i] ?? NaN))),
      0,
    );
    // Six roundings of 2^-9 on the way; where no blocks are multiplied, long sums over rounded scores come to them.
    expect(worst / scale, `result ${at}`).toBeLessThan((useTiles(true) ? 6 : 32) * 2 ** -9);
  });
});

describe.runIf(describeTorch().available)('sets of tokens that native operators remember', () => {
  it('are forgotten with the backend', async () => {
    await registerTorchEngine({ precision: 'bf16' });
    const { dispatcher } = context();
    const remembered = (): number => dispatcher.value('polygate::forget_token_sets');
    remembered();
    const outputs = (cases['dispatchedLinear with gelu'] as () => tf.Tensor[])();
    // Only products in blocks go by sets.
    if (useTiles(true)) expect(remembered()).toBeGreaterThan(0);
    tf.dispose(outputs);
    const again = (cases['dispatchedLinear with gelu'] as () => tf.Tensor[])();
    await registerTorchEngine({ precision: 'bf16' });
    expect(remembered()).toBe(0);
    expect(again.length).toBeGreaterThan(0);
  });
});
