/**
 * What a block of SM^4 costs: width 64, 8 heads, feed-forward of 128, sequences of 80 latents (four modalities of 20), with
 * 16 experts for queries, keys, values and feed-forward part, against the dense block of as many operations; at 1, 2 and 4
 * experts a token, with the importance and load losses that it is trained by. Forward and backward, without an optimizer.
 * The target is a ratio of at most 1.3 with one expert a token, and a growth that is linear in their number.
 */
import { parseRow } from '@polygate/attributes';
import { createRandom, StateError } from '@polygate/core';
import {
  createRoutingTrace,
  describeExpertBlocks,
  ExpertBlocks,
  resolveLatentConfig,
  type ExpertBlocksConfig,
} from '@polygate/encoder';
import { allocateParameters, parameterGradients, type ParameterSet } from '@polygate/nn';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { availableParallelism } from 'node:os';
import { measurePair, type PairLine } from '../pair.ts';

const BATCH = 32;
const LATENTS = 20;
const EXPERTS = 16;
const WIDTH = 64;
const MODALITIES = ['image', 'force', 'proprioception', 'control'] as const;

const common = {
  condition: 'token',
  experts: EXPERTS,
  topK: 1,
  renormalize: false,
  capacityFactor: 'dropless',
  losses: { importance: 0.1, load: 0.1 },
} as const;
const projections = ['query', 'key', 'value'].map((name) => `attention.${name}`);
const resolved = resolveLatentConfig({
  inputs: Object.fromEntries(MODALITIES.map((name) => [name, { width: 16, axes: 1 }])),
  moe: {
    groups: [
      { ...common, name: 'attention', linears: projections },
      { ...common, name: 'ffn', linears: ['ffn.*'], wholeExperts: true },
    ],
  },
});
const { width, hidden, layers, heads, moe } = resolved;
const dense: ExpertBlocksConfig = {
  width,
  hidden,
  layers,
  heads,
  splitAttention: true,
  layerScale: undefined,
};
const sparse: ExpertBlocksConfig = { ...dense, ...(moe ? { moe } : {}) };

const segments = MODALITIES.map((modality) => ({
  key: { modality, task: 'push', attributes: parseRow('10011001') },
  length: LATENTS,
}));

interface Side {
  readonly parameters: ParameterSet;
  readonly blocks: ExpertBlocks;
}
const made = (config: ExpertBlocksConfig): Side => {
  const parameters = allocateParameters(describeExpertBlocks(config), createRandom(1));
  return { parameters, blocks: new ExpertBlocks(config, parameters) };
};

const step = ({ parameters, blocks }: Side, x: tf.Tensor3D, topK: number): void => {
  const { loss, gradients } = parameterGradients(parameters, () => {
    const routing = createRoutingTrace();
    const random = createRandom(2);
    const states = blocks.run({ x, segments }, { training: true, random, routing, topK: () => topK });
    const taskLoss = tf.mean(tf.square(states));
    return tf.addN([taskLoss, ...routing.losses.map(({ weighted }) => weighted)]) as tf.Scalar;
  });
  loss.dataSync();
  tf.dispose([loss, gradients]);
};

/**
 * Routers of zeros choose the first expert with a gate of 1 / E: the dense block with that expert's weights, those that give
 * an output divided by E, must compute the same.
 */
const validate = (experts: Side, plain: Side, x: tf.Tensor3D): void => {
  for (const { name, variable } of experts.parameters.entries()) {
    if (name.startsWith('routers.')) experts.parameters.write(name, new Float32Array(variable.size));
    else {
      const twinName = name.replace('.experts.0', '');
      if (twinName.includes('.experts.')) continue;
      const isWeighed = twinName !== name && !twinName.includes('fc1');
      const values = variable.dataSync().map((value) => (isWeighed ? value / EXPERTS : value));
      plain.parameters.write(twinName, values as Float32Array);
    }
  }
  const worst = tf.tidy(() => {
    const difference = tf.sub(experts.blocks.run({ x, segments }), plain.blocks.run({ x, segments }));
    return tf.max(tf.abs(difference)).dataSync()[0] ?? Number.NaN;
  });
  if (!(worst < 1e-3))
    throw new StateError(`sm4-block: expected the dense block's results, got ${worst} off`);
};

export const sm4Block = {
  describe:
    'price of a block of SM^4 over the dense one of as many operations, at 1, 2 and 4 experts a token',
  async *run(): AsyncIterable<PairLine> {
    const threads = Math.min(2, availableParallelism());
    await selectEngine({ engine: 'torch', precision: 'f32', threads });
    const [plain, experts] = [made(dense), made(sparse)];
    const length = MODALITIES.length * LATENTS;
    const random = createRandom(3);
    const values = Float32Array.from({ length: BATCH * length * WIDTH }, () => random.normal());
    const x = tf.tensor3d(values, [BATCH, length, WIDTH]);
    try {
      validate(experts, plain, x);
      const drawn = made(sparse);
      for (const { name } of experts.parameters.entries()) {
        experts.parameters.write(name, drawn.parameters.get(name).dataSync() as Float32Array);
      }
      drawn.parameters.dispose();
      for (const topK of [1, 2, 4]) {
        yield await measurePair(
          { name: 'dense block', run: () => Promise.resolve(step(plain, x, 1)) },
          { name: `16 experts, top-${topK}`, run: () => Promise.resolve(step(experts, x, topK)) },
          {
            validated: 'the dense block where all tokens take one expert',
            pairs: 41,
            // A run has thousands of steps: what is measured is not the compiler of JavaScript, which is done after some.
            warmup: 20,
            name: `sm4-block-top${topK}`,
            detail: { batch: BATCH, threads },
          },
        );
      }
    } finally {
      x.dispose();
      plain.parameters.dispose();
      experts.parameters.dispose();
    }
  },
};
