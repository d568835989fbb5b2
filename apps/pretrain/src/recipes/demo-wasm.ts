/**
 * The demo without a native engine: a smaller model and fewer steps, sized for wasm, which is many times slower.
 * Command: npx polygate demo (chosen when LibTorch is not there)
 */
import type { RecipeInput } from '@polygate/generalist';
import { demo } from './demo.ts';

/** A third of the vocabulary a step, drawn flatly enough that every token is met often. */
const words = { kind: 'sampled', negatives: 320, power: 0.5, uniformShare: 0.3 } as const;

const weights = {
  'image-classification': 3,
  'image-captioning': 4,
  'image-text-retrieval': 3,
  'masked-language-modelling': 2,
} as const;

export const demoWasm = {
  ...demo,
  name: 'demo',
  model: { preset: 'mini-moe', layers: 3, width: 96, heads: 3, hidden: 384, patchSize: 16, layerScale: 1 },
  tasks: Object.fromEntries(
    Object.entries(demo.tasks).map(([name, task]) => [
      name,
      {
        ...task,
        weight: weights[task.family],
        batchSize: 32,
        ...(task.family === 'image-captioning' || task.family === 'masked-language-modelling'
          ? { candidates: words }
          : {}),
      },
    ]),
  ),
  optimizer: { learningRate: 1e-3, clipNorm: 1 },
  steps: '1400 steps',
  precision: 'f32',
} satisfies RecipeInput;
