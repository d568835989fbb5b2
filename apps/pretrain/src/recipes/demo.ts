/**
 * The demo: all four task families of the mini suite, jointly, with attribute experts, on the torch engine.
 * Command: npx polygate demo
 * Measured: docs/results/demo.json holds scores, seed, machine and time.
 */
import type { RecipeInput } from '@polygate/generalist';

const images = { flip: 0.5, shift: 0.1, zoom: 0.2, turn: 12, tone: 0.2 };

/** Part of the vocabulary a step, drawn flatly enough that every token is met often. */
const candidates = { kind: 'sampled', negatives: 384, power: 0.5, uniformShare: 0.3 } as const;

export const demo = {
  name: 'demo',
  suite: 'data/mini',
  // Smaller than the preset, few patches, and branches at full strength from the start: what minutes can train is many
  // small steps.
  model: { preset: 'mini-moe', layers: 3, width: 128, heads: 4, hidden: 512, patchSize: 16, layerScale: 1 },
  tasks: {
    'emoji-group': {
      family: 'image-classification',
      dataset: 'emoji-group',
      batchSize: 32,
      weight: 4,
      augmentation: images,
    },
    mnist: {
      family: 'image-classification',
      dataset: 'mnist',
      batchSize: 32,
      weight: 2,
      augmentation: { shift: 0.08, turn: 8 },
    },
    'emoji-captions/captioning': {
      family: 'image-captioning',
      dataset: 'emoji-captions',
      batchSize: 32,
      weight: 6,
      maximumTokens: 12,
      generation: { beam: 3, lengthPenalty: 1, finished: 'aside' },
      candidates,
      augmentation: images,
    },
    'emoji-captions/retrieval': {
      family: 'image-text-retrieval',
      dataset: 'emoji-captions',
      batchSize: 32,
      weight: 4,
      maximumTokens: 16,
      augmentation: images,
    },
    text: {
      family: 'masked-language-modelling',
      dataset: 'text',
      batchSize: 24,
      weight: 2,
      candidates,
    },
  },
  optimizer: { learningRate: 8e-4, clipNorm: 1 },
  steps: '5000 steps',
  validation: { every: '50%', limit: 96, splits: ['validation'] },
  // bf16 where the processor has it, f32 where that is faster.
  precision: 'auto',
} satisfies RecipeInput;
