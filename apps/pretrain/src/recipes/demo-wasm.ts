/**
 * The demo without a native engine: a smaller model and fewer steps, sized for wasm, which is many times slower.
 * Command: npx polygate demo (chosen when LibTorch is not there)
 */
import type { RecipeInput } from '@polygate/generalist';
import { demo } from './demo.ts';

/** A fifth of the vocabulary a step: its tokens are most of what a step of captions or text encodes. */
const candidates = { kind: 'sampled', negatives: 192, power: 0.5, uniformShare: 0.3 } as const;

const sizes = {
  'image-classification': { weight: 2.5, batchSize: 32 },
  'image-captioning': { weight: 6, batchSize: 24, candidates },
  'image-text-retrieval': { weight: 3, batchSize: 32 },
  'masked-language-modelling': { weight: 1.5, batchSize: 12, candidates },
} as const;

export const demoWasm = {
  ...demo,
  name: 'demo',
  model: { preset: 'mini-moe', layers: 3, width: 96, heads: 3, hidden: 384, patchSize: 16, layerScale: 1 },
  tasks: Object.fromEntries(
    Object.entries(demo.tasks).map(([name, task]) => [name, { ...task, ...sizes[task.family] }]),
  ),
  optimizer: { learningRate: 8e-4, clipNorm: 1 },
  steps: '950 steps',
  precision: 'f32',
} satisfies RecipeInput;
