/** Inputs and calls of fused kernels, for the tests that compare ways of computing them. */
import * as tf from '@tensorflow/tfjs';
import type { TorchBackend } from '../src/backend.ts';

type Inputs = Record<string, tf.Tensor>;

/** A repeatable sequence of numbers in (-1.5, 1.5). */
const numbers = (size: number, phase: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => 1.5 * Math.sin(12.9898 * (i + 1) + 78.233 * phase));

let phase = 0;

/** The inputs that {@link make} gives from now on are those of a new process. */
export const restartInputs = (): void => {
  phase = 0;
};

/** The next input, of the shape. */
export const make = (...shape: number[]): tf.Tensor => {
  phase += 1;
  return tf.tensor(
    numbers(
      shape.reduce((product, size) => product * size, 1),
      phase,
    ),
    shape,
  );
};

export const context = () => (tf.backend() as TorchBackend).context;

export const run = (name: string, inputs: Inputs, attributes: object = {}): tf.Tensor[] => {
  const out = tf.engine().runKernel(name, inputs, attributes as tf.NamedAttrMap) as tf.Tensor | tf.Tensor[];
  return Array.isArray(out) ? out : [out];
};

type Bias = () => tf.Tensor4D;
/** The last query may look at nothing but prompts, or, without prompts, at everything alike. */
const mask = (): Bias => () =>
  tf.tensor4d([0, -1e4, 0, 0, 0, -1e4, -1e4, 0, 0, 0, 0, 0, -1e4, -1e4, -1e4, -1e4], [1, 1, 4, 4]);
export const causal =
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
export const attend = (settings: {
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
export const experts = () =>
  Object.fromEntries(
    [0, 1, 2].flatMap((e) => [
      [`weight${e}`, make(5, 6)],
      [`bias${e}`, make(5)],
    ]),
  ) as Inputs;
export const routing = {
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
export const plain = { activation: 'none', keep: false };
export const activated = { activation: 'gelu', keep: true };
const gelu = { activation: 'gelu', keep: false };

const poolWeights = (width: number) => ({
  queryWeight: make(width, width),
  queryBias: make(width),
  keyWeight: make(width, width),
  valueWeight: make(width, width),
  valueBias: make(width),
  outputWeight: make(width, width),
  outputBias: make(width),
});
const poolGradient = (inputs: Inputs, kept: readonly tf.Tensor[], heads: number) =>
  run(
    'PgAttentionPoolGrad',
    { ...inputs, ...Object.fromEntries(kept.map((tensor, at) => [`kept${at}`, tensor])) },
    { heads },
  );

const whole = (values: readonly number[]): tf.Tensor => tf.tensor1d([...values], 'int32');

/** Slots by expert of 4; expert 1 has none. */
const dispatched = (count: number, expertsOf: (token: number) => readonly number[]) => {
  const groups: number[][] = [[], [], [], []];
  for (let token = 0; token < count; token += 1) for (const e of expertsOf(token)) groups[e]?.push(token);
  const starts = [0];
  for (const group of groups) starts.push((starts.at(-1) ?? 0) + group.length);
  return { slots: groups.flat(), routed: { starts: Int32Array.from(starts), used: [0, 2, 3] } };
};
/** Sets of one, two and three experts, and tokens without any, each often enough for whole and partial blocks. */
const manyTokens = dispatched(300, (token) => [[0], [0, 2], [2, 3], [0, 2, 3], []][token % 5] ?? []);
/** One expert a token, and tokens without any: no sums over experts. */
const onceEach = dispatched(300, (token) => [[0], [2], [3], [], [2]][token % 5] ?? []);
const expertsOf = (outputs: number, inputs: number) =>
  Object.fromEntries(
    [0, 1, 2].flatMap((e) => [
      [`weight${e}`, make(outputs, inputs)],
      [`bias${e}`, make(outputs)],
    ]),
  ) as Inputs;

/** The experts of `manyTokens` as dispatched linears take them. */
const pairsOf = (outputs: number, inputs: number) =>
  [0, 1, 2].map(() => ({ weight: make(outputs, inputs), bias: make(outputs) }));

/** Each case makes its inputs and returns all results. */
export const cases: Record<string, () => tf.Tensor[]> = {
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
    const { slots, routed } = dispatched(5, (token) => [[0, 3], [0, 2], [2, 3], [], [0, 3]][token] ?? []);
    const inputs = { x: make(5, 6), gates: make(5, 4), tokens: whole(slots) };
    const attributes = { ...routed, experts: pairsOf(5, 6), ...activated };
    const [y, z] = run('PgDispatchedLinear', inputs, attributes) as [tf.Tensor, tf.Tensor];
    return [y, z, ...run('PgDispatchedLinearGrad', { ...inputs, z, dy: make(5, 5) }, attributes)];
  },
  'dispatchedLinear with gelu': () => {
    const inputs = {
      x: make(300, 40),
      gates: make(300, 4),
      tokens: whole(manyTokens.slots),
    };
    const attributes = { ...manyTokens.routed, experts: pairsOf(72, 40), ...activated };
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
    const inputs = {
      x: make(300, 40),
      gates: make(300, 4),
      tokens: whole(manyTokens.slots),
    };
    const attributes = { ...manyTokens.routed, experts: pairsOf(260, 40), ...plain };
    return [
      ...run('PgDispatchedLinear', inputs, attributes),
      ...run('PgDispatchedLinearGrad', { ...inputs, dy: make(300, 260) }, attributes),
    ];
  },
  'dispatchedLinear to fewer outputs': () => {
    const inputs = {
      x: make(300, 72),
      gates: make(300, 4),
      tokens: whole(manyTokens.slots),
    };
    const attributes = { ...manyTokens.routed, experts: pairsOf(40, 72), ...plain };
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
    const [x, dy] = [make(3, 100, 64), make(3, 100, 96)];
    const inputs = { x, gates: make(300, 4), tokens: whole(manyTokens.slots) };
    const attributes = { ...manyTokens.routed, experts: pairsOf(96, 64), ...activated };
    const [y, z] = run('PgDispatchedLinear', inputs, attributes) as [tf.Tensor, tf.Tensor];
    return [y, z, ...run('PgDispatchedLinearGrad', { ...inputs, z, dy }, attributes)];
  },
  'dispatchedLinear to one expert': () => {
    const inputs = { x: make(300, 40), gates: make(300, 4), tokens: whole(onceEach.slots) };
    const attributes = { ...onceEach.routed, experts: pairsOf(72, 40), ...plain };
    return [
      ...run('PgDispatchedLinear', inputs, attributes),
      ...run('PgDispatchedLinearGrad', { ...inputs, dy: make(300, 72) }, attributes),
    ];
  },
  'dispatchedLinear to one expert, with gelu': () => {
    const inputs = { x: make(300, 64), gates: make(300, 4), tokens: whole(onceEach.slots) };
    const attributes = { ...onceEach.routed, experts: pairsOf(72, 64), ...activated };
    const [y, z] = run('PgDispatchedLinear', inputs, attributes) as [tf.Tensor, tf.Tensor];
    return [y, z, ...run('PgDispatchedLinearGrad', { ...inputs, z, dy: make(300, 72) }, attributes)];
  },
  // Sides of whole sixteens: below AVX-512 these are rows of float32, in parts of the outputs.
  'dispatchedLinear of few weights': () => {
    const inputs = { x: make(300, 32), gates: make(300, 4), tokens: whole(onceEach.slots) };
    const attributes = { ...onceEach.routed, experts: pairsOf(48, 32), ...plain };
    return [
      ...run('PgDispatchedLinear', inputs, attributes),
      ...run('PgDispatchedLinearGrad', { ...inputs, dy: make(300, 48) }, attributes),
    ];
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
    const attributes = { ...manyTokens.routed, experts: pairsOf(72, 40), ...gelu, held: true };
    const forward = () =>
      run(
        'PgDispatchedLinear',
        { x: make(300, 40), gates: make(300, 4), tokens: whole(manyTokens.slots) },
        attributes,
      );
    return [...forward(), ...forward()];
  },
  exactLinear: () => [
    ...run('PgExactLinear', { x: make(70, 37), weight: make(19, 37) }),
    ...run('PgExactLinearGrad', { dy: make(70, 19), x: make(70, 37), weight: make(19, 37) }),
  ],
  routerLogits: () => {
    const inputs = { x: make(5, 14, 37), weight: make(19, 37) };
    const gradient = { ...inputs, tokens: make(5, 14, 37), logits: make(70, 19) };
    return [...run('PgRouterLogits', inputs), ...run('PgRouterLogitsGrad', gradient)];
  },
  // The second sample sees a part of its tokens, the third none.
  attentionPool: () => {
    const visible = tf.tensor2d([1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0], [3, 4]);
    const inputs = { x: make(3, 4, 21), visible, ...poolWeights(21) };
    const [y, ...kept] = run('PgAttentionPool', inputs, { heads: 3 });
    return [y as tf.Tensor, ...kept, ...poolGradient({ ...inputs, dy: make(3, 21) }, kept, 3)];
  },
  'attentionPool over all tokens': () => {
    const inputs = { x: make(2, 9, 40), ...poolWeights(40) };
    const [y, ...kept] = run('PgAttentionPool', inputs, { heads: 5 });
    return [y as tf.Tensor, ...poolGradient({ ...inputs, dy: make(2, 40) }, kept, 5)];
  },
  'crossAttention over three parts, strided, the second masked by sample': () => {
    const heads = (length: number) => tf.transpose(make(2, length, 3, 20), [0, 2, 1, 3]);
    const mask = tf.mul(tf.cast(tf.greater(make(2, 1, 4, 5), 0.8), 'float32'), -1e4);
    return run(
      'PgCrossAttention',
      {
        queries: heads(4),
        keys0: heads(7),
        values0: heads(7),
        keys1: heads(5),
        values1: heads(5),
        mask1: mask,
        keys2: heads(1),
        values2: heads(1),
      },
      { parts: 3 },
    );
  },
  'crossAttention over one part': () =>
    run(
      'PgCrossAttention',
      { queries: make(1, 2, 1, 64), keys0: make(1, 2, 40, 64), values0: make(1, 2, 40, 64) },
      { parts: 1 },
    ),
  mergeExperts: () =>
    run('PgMergeExperts', { gates: make(2, 4), ...experts() }, { used: [0, 2, 3], chosen: [[0, 2, 3], [3]] }),
  globalNorm: () => run('PgGlobalNorm', {}, { tensors: [make(3, 4), make(5000)] }),
  adamW: () => {
    const [w, m, v] = [make(300), tf.zeros([300]), tf.zeros([300])];
    const attributes = {
      variables: [w],
      gradients: [make(300)],
      first: [m],
      second: [v],
      beta1: 0.9,
      beta2: 0.98,
      epsilon: 1e-6,
      gradScale: 0.5,
      decayFactors: [0.99],
      stepSizes: [0.1],
      secondCorrections: [7.07],
    };
    run('PgAdamW', {}, attributes);
    return [w, m, v];
  },
};
