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

type Bias = () => tf.Tensor4D;
/** The last query may look at nothing but prompts, or, without prompts, at everything alike. */
const mask = (): Bias => () =>
  tf.tensor4d([0, -1e4, 0, 0, 0, -1e4, -1e4, 0, 0, 0, 0, 0, -1e4, -1e4, -1e4, -1e4], [1, 1, 4, 4]);
const causal =
  (length: number): Bias =>
  () =>
    tf.tidy(() =>
      tf.linalg
        .bandPart(tf.ones([length, length]), -1, 0)
        .sub(1)
        .mul(1e9)
        .reshape([1, 1, length, length]),
    );

/** Attention and its gradient; the states differ between ways of computing and are left out. */
const attend = (settings: {
  kind: 'none' | 'shared' | 'own';
  length: number;
  heads: number;
  head: number;
  masked?: Bias;
}): tf.Tensor[] => {
  const { kind, length, heads, head, masked } = settings;
  const width = heads * head;
  const shape = kind === 'shared' ? [2, width] : [3, 2, width];
  const prompts: Inputs = kind === 'none' ? {} : { promptKeys: make(...shape), promptValues: make(...shape) };
  const qkv = make(3, length, 3 * width);
  const bias: Inputs = masked ? { mask: masked() } : {};
  const [y, ...state] = run('PgAttention', { qkv, ...bias, ...prompts }, { heads }) as [tf.Tensor];
  const kept = Object.fromEntries(state.map((tensor, at) => [`state${at}`, tensor]));
  const given = { dy: make(3, length, width), qkv, ...bias, ...prompts, ...kept };
  return [y, ...run('PgAttentionGrad', given, { heads })];
};
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

const experts40 = () =>
  Object.fromEntries(
    [0, 1, 2].flatMap((e) => [
      [`weight${e}`, make(72, 40)],
      [`bias${e}`, make(72)],
    ]),
  ) as Inputs;

/** Two spans of a weight each and one of a weight that was there before, long enough for whole and partial blocks. */
const longSegments = [
  { row: 0, start: 0, length: 37 },
  { row: 1, start: 37, length: 70 },
  { row: 0, start: 107, length: 2 },
];
const plain = { activation: 'none', keep: false };
const activated = { activation: 'gelu', keep: true };
const gelu = { activation: 'gelu', keep: false };

/** Slots by expert of 4; expert 1 has none. */
const dispatched = (count: number, expertsOf: (token: number) => readonly number[]) => {
  const groups: number[][] = [[], [], [], []];
  for (let token = 0; token < count; token += 1) for (const e of expertsOf(token)) groups[e]?.push(token);
  const starts = [0];
  for (const group of groups) starts.push((starts.at(-1) ?? 0) + group.length);
  return { tokens: Int32Array.from(groups.flat()), starts: Int32Array.from(starts), used: [0, 2, 3] };
};
/** Sets of one, two and three experts, and tokens without any, each often enough for whole and partial blocks. */
const manyTokens = dispatched(300, (token) => [[0], [0, 2], [2, 3], [0, 2, 3], []][token % 5] ?? []);
const expertsOf = (outputs: number, inputs: number) =>
  Object.fromEntries(
    [0, 1, 2].flatMap((e) => [
      [`weight${e}`, make(outputs, inputs)],
      [`bias${e}`, make(outputs)],
    ]),
  ) as Inputs;

/** Each case makes its inputs and returns all results. */
const cases: Record<string, () => tf.Tensor[]> = {
  linear: () => run('PgLinear', { x: make(2, 3, 6), weight: make(5, 6), bias: make(5) }, plain),
  'linear without bias': () => run('PgLinear', { x: make(7, 6), weight: make(5, 6) }, plain),
  'linear with gelu': () => {
    const inputs = { x: make(2, 20, 6), weight: make(5, 6), bias: make(5) };
    const [y, z] = run('PgLinear', inputs, activated) as [tf.Tensor, tf.Tensor];
    const gradient = { dy: make(2, 20, 5), x: inputs.x, weight: inputs.weight, z };
    return [y, z, ...run('PgLinearGrad', gradient, { wantsWeight: true, wantsBias: true })];
  },
  'linear gradient': () =>
    run(
      'PgLinearGrad',
      { dy: make(40, 5), x: make(40, 6), weight: make(5, 6) },
      { wantsWeight: true, wantsBias: true },
    ),
  'linear gradient of the input alone': () =>
    run(
      'PgLinearGrad',
      { dy: make(1, 5), x: make(1, 6), weight: make(5, 6) },
      { wantsWeight: false, wantsBias: false },
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
    (['none', 'shared', 'own'] as const).flatMap((kind) =>
      [
        { length: 4, heads: 2, head: 3, masked: mask() },
        // Several blocks of queries and keys, and more queries than are held at once.
        { length: 71, heads: 1, head: 40, masked: causal(71) },
        { length: 260, heads: 1, head: 32, masked: undefined },
      ].map(({ length, heads, head, masked }) => [
        `attention over ${length}, prompts ${kind}`,
        () => attend({ kind, length, heads, head, ...(masked ? { masked } : {}) }),
      ]),
    ),
  ),
  conditionalLinear: () => {
    const inputs = { x: make(2, 4, 6), gates: make(3, 4), ...experts() };
    const [y, ...merged] = run('PgConditionalLinear', inputs, { ...routing, ...plain });
    const kept = Object.fromEntries(merged.map((tensor, at) => [`merged${at}`, tensor]));
    return [
      y as tf.Tensor,
      ...merged,
      ...run('PgConditionalLinearGrad', { ...inputs, ...kept, dy: make(2, 4, 5) }, routing),
    ];
  },
  'conditionalLinear with gelu': () => {
    const inputs = { x: make(2, 4, 6), gates: make(3, 4), ...experts() };
    const [y, first, second, z] = run('PgConditionalLinear', inputs, { ...routing, ...activated }) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const gradient = { ...inputs, merged0: first, merged1: second, z, dy: make(2, 4, 5) };
    return [y, first, second, z, ...run('PgConditionalLinearGrad', gradient, routing)];
  },
  'conditionalLinear over long segments': () => {
    const inputs = { x: make(12, 109, 40), gates: make(3, 4), ...experts40() };
    const attributes = { ...routing, segments: longSegments, ...activated };
    const [y, first, second, z] = run('PgConditionalLinear', inputs, attributes) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const gradient = { ...inputs, merged0: first, merged1: second, z, dy: make(12, 109, 72) };
    return [y, z, ...run('PgConditionalLinearGrad', gradient, attributes)];
  },
  'segmentLinear over a weight that no span names': () => {
    const inputs = { x: make(12, 109, 40), ...experts40() };
    const attributes = { segments: longSegments, ...activated };
    const [y, z] = run('PgSegmentLinear', inputs, attributes) as [tf.Tensor, tf.Tensor];
    return [y, z, ...run('PgSegmentLinearGrad', { ...inputs, z, dy: make(12, 109, 72) }, attributes)];
  },
  // Wider than long, and rows 2 KiB apart: the other order of strips, and copied rows.
  'linear of aligned rows': () => {
    const inputs = { x: make(70, 1024), weight: make(33, 1024) };
    const gradient = { ...inputs, dy: make(70, 33) };
    return [
      ...run('PgLinear', inputs, plain),
      ...run('PgLinearGrad', gradient, { wantsWeight: true, wantsBias: true }),
    ];
  },
  'dispatchedLinear of few tokens': () => {
    const slots = dispatched(5, (token) => [[0, 3], [0, 2], [2, 3], [], [0, 3]][token] ?? []);
    const inputs = { x: make(5, 6), gates: make(5, 4), ...experts() };
    const [y, z] = run('PgDispatchedLinear', inputs, { ...slots, ...activated }) as [tf.Tensor, tf.Tensor];
    return [
      y,
      z,
      ...run('PgDispatchedLinearGrad', { ...inputs, z, dy: make(5, 5) }, { ...slots, ...activated }),
    ];
  },
  'dispatchedLinear with gelu': () => {
    const inputs = { x: make(300, 40), gates: make(300, 4), ...expertsOf(72, 40) };
    const attributes = { ...manyTokens, ...activated };
    const [y, z] = run('PgDispatchedLinear', inputs, attributes) as [tf.Tensor, tf.Tensor];
    return [y, z, ...run('PgDispatchedLinearGrad', { ...inputs, z, dy: make(300, 72) }, attributes)];
  },
  // Where a strip of the weight is taller than wide its gradient is computed turned.
  'linear to many outputs': () => {
    const gradient = { dy: make(70, 300), x: make(70, 40), weight: make(300, 40) };
    return run('PgLinearGrad', gradient, { wantsWeight: true, wantsBias: true });
  },
  'conditionalLinear to many outputs': () => {
    const inputs = { x: make(3, 109, 40), gates: make(3, 4), ...expertsOf(300, 40) };
    const attributes = { ...routing, segments: longSegments, ...plain };
    const [y, ...merged] = run('PgConditionalLinear', inputs, attributes);
    const kept = Object.fromEntries(merged.map((tensor, at) => [`merged${at}`, tensor]));
    const gradient = { ...inputs, ...kept, dy: make(3, 109, 300) };
    return [y as tf.Tensor, ...run('PgConditionalLinearGrad', gradient, attributes)];
  },
  'dispatchedLinear to many outputs': () => {
    const inputs = { x: make(300, 40), gates: make(300, 4), ...expertsOf(260, 40) };
    const attributes = { ...manyTokens, ...plain };
    return [
      ...run('PgDispatchedLinear', inputs, attributes),
      ...run('PgDispatchedLinearGrad', { ...inputs, dy: make(300, 260) }, attributes),
    ];
  },
  'dispatchedLinear to fewer outputs': () => {
    const inputs = { x: make(300, 72), gates: make(300, 4), ...expertsOf(40, 72) };
    const attributes = { ...manyTokens, ...plain };
    return [
      ...run('PgDispatchedLinear', inputs, attributes),
      ...run('PgDispatchedLinearGrad', { ...inputs, dy: make(300, 40) }, attributes),
    ];
  },
  // Whole steps of 32: rows that lie apart are read where they are, where no tile unit wants them at equal distances.
  'segmentLinear of rows that lie apart': () => {
    const inputs = { x: make(3, 109, 64), ...expertsOf(72, 64) };
    const attributes = { segments: longSegments, ...activated };
    const [y, z] = run('PgSegmentLinear', inputs, attributes) as [tf.Tensor, tf.Tensor];
    return [y, z, ...run('PgSegmentLinearGrad', { ...inputs, z, dy: make(3, 109, 72) }, attributes)];
  },
  'dispatchedLinear of rows that lie apart': () => {
    const inputs = { x: make(300, 64), gates: make(300, 4), ...expertsOf(96, 64) };
    const attributes = { ...manyTokens, ...activated };
    const [y, z] = run('PgDispatchedLinear', inputs, attributes) as [tf.Tensor, tf.Tensor];
    return [y, z, ...run('PgDispatchedLinearGrad', { ...inputs, z, dy: make(300, 96) }, attributes)];
  },
  // What is packed at the first forward serves the second.
  'linear with a held weight': () => {
    const [weight, bias] = [make(72, 40), make(72)];
    const forward = () => run('PgLinear', { x: make(70, 40), weight, bias }, { ...gelu, held: true });
    return [...forward(), ...forward()];
  },
  'segmentLinear with held weights': () => {
    const weights = expertsOf(72, 40);
    const attributes = { segments: longSegments, ...gelu, held: true };
    const forward = () => run('PgSegmentLinear', { x: make(3, 109, 40), ...weights }, attributes);
    return [...forward(), ...forward()];
  },
  'dispatchedLinear with held weights': () => {
    const weights = expertsOf(72, 40);
    const attributes = { ...manyTokens, ...gelu, held: true };
    const forward = () =>
      run('PgDispatchedLinear', { x: make(300, 40), gates: make(300, 4), ...weights }, attributes);
    return [...forward(), ...forward()];
  },
  exactLinear: () => [
    ...run('PgExactLinear', { x: make(70, 37), weight: make(19, 37) }),
    ...run('PgExactLinearGrad', { dy: make(70, 19), x: make(70, 37), weight: make(19, 37) }),
  ],
  // The second sample sees a part of its tokens, the third none.
  poolingAttention: () => {
    const visible = tf.tensor2d([1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0], [3, 4]);
    const inputs = { x: make(3, 4, 21), queries: make(3, 2, 21) };
    const [means, weights] = run('PgPoolingAttention', { ...inputs, visible }) as [tf.Tensor, tf.Tensor];
    const gradient = { ...inputs, weights, dy: make(3, 2, 21) };
    return [means, weights, ...run('PgPoolingAttentionGrad', gradient)];
  },
  'poolingAttention over all tokens': () =>
    run('PgPoolingAttention', { x: make(2, 9, 16), queries: make(2, 3, 16) }),
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

/** Own operators in products of blocks where the processor has them for the type, own operators without, or ATen's. */
type Way = 'own' | 'own without tiles' | 'composed';

const useTiles = (on: boolean): boolean => context().dispatcher.value('polygate::use_tiles', on) === 1;

const valuesOf = (one: () => tf.Tensor[], way: Way): Float32Array[] => {
  phase = 0;
  composeAlways(context(), way === 'composed');
  useTiles(way === 'own');
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
  });

  it.each(
    Object.keys(cases).flatMap(
      (name) =>
        [
          [name, 'own'],
          [name, 'own without tiles'],
        ] as const,
    ),
  )('%s: %s operators agree with their ATen twins', (name, way) => {
    const one = cases[name] as () => tf.Tensor[];
    const own = valuesOf(one, way);
    const twin = valuesOf(one, 'composed');
    expect(own.length).toBe(twin.length);
    own.forEach((values, at) => {
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
  });

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
      const moments = { m0: tf.zeros([72, 40]), v0: tf.zeros([72, 40]) };
      const update = {
        count: 1,
        beta1: 0.9,
        beta2: 0.98,
        epsilon: 1e-6,
        gradScale: 1,
        decayFactors: [1],
        stepSizes: [1],
        secondCorrections: [1],
      };
      // The product's own copy is there, so that the update writes it, too.
      run('PgLinear', { x, weight }, plain);
      run('PgAdamW', { variable0: weight, gradient0: make(72, 40), ...moments }, update);
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

it.runIf(describeTorch().available)('attention in bf16 is as near to float32 as bf16 allows', async () => {
  const one = () => attend({ kind: 'own', length: 71, heads: 1, head: 40, masked: causal(71) });
  await registerTorchEngine({ precision: 'f32' });
  const exact = valuesOf(one, 'composed');
  await registerTorchEngine({ precision: 'bf16' });
  const own = valuesOf(one, 'own');
  exact.forEach((expected, at) => {
    const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const worst = expected.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - (own[at]?.[i] ?? NaN))),
      0,
    );
    // Six roundings of 2^-9 on the way; where no blocks are multiplied, long sums over rounded scores come to them.
    expect(worst / scale, `result ${at}`).toBeLessThan((useTiles(true) ? 6 : 32) * 2 ** -9);
  });
});
