/**
 * The demo without a native engine: a smaller model and fewer steps, sized for wasm, which is many times slower.
 * Command: npx polygate demo (chosen when LibTorch is not there)
 */
import type { RecipeInput } from '@polygate/generalist';
import { demo } from './demo.ts';

export const demoWasm = {
  ...demo,
  name: 'demo',
  model: { preset: 'mini-moe', layers: 3, width: 96, heads: 3, hidden: 384, patchSize: 12, layerScale: 1 },
  tasks: Object.fromEntries(
    Object.entries(demo.tasks).map(([name, task]) => [
      name,
      {
        ...task,
        batchSize: 24,
      },
    ]),
  ),
  optimizer: { learningRate: 1.5e-3, clipNorm: 1 },
  steps: '700 steps',
  precision: 'f32',
} satisfies RecipeInput;
