/**
 * The demo: all four task families of the mini suite, jointly, with attribute experts, on the torch engine.
 * Command: npx polygate demo
 * Measured: docs/results/demo.json holds scores, seed, machine and time.
 */
import type { RecipeInput } from '@polygate/generalist';

const pictures = { flip: 0.5, shift: 0.08, zoom: 0.15, turn: 10, tone: 0.1 };

export const demo = {
  name: 'demo',
  suite: 'data/mini',
  // Narrower than the preset, and branches at full strength from the start: what a run of minutes has time to train.
  model: { preset: 'mini-moe', width: 128, heads: 4, hidden: 512, layerScale: 1 },
  tasks: {
    'emoji-group': {
      family: 'image-classification',
      dataset: 'emoji-group',
      batchSize: 48,
      weight: 6,
      augmentation: pictures,
    },
    mnist: {
      family: 'image-classification',
      dataset: 'mnist',
      batchSize: 32,
      weight: 1.5,
      augmentation: { shift: 0.08, turn: 8 },
    },
    'emoji-captions/captioning': {
      family: 'image-captioning',
      dataset: 'emoji-captions',
      batchSize: 32,
      weight: 2.5,
      maximumTokens: 12,
      augmentation: pictures,
    },
    'emoji-captions/retrieval': {
      family: 'image-text-retrieval',
      dataset: 'emoji-captions',
      batchSize: 48,
      weight: 3.5,
      maximumTokens: 16,
      augmentation: pictures,
    },
    text: {
      family: 'masked-language-modelling',
      dataset: 'text',
      batchSize: 24,
      weight: 2,
    },
  },
  optimizer: { learningRate: 1e-3, clipNorm: 1 },
  steps: '2200 steps',
  validation: { every: '50%', limit: 96, splits: ['validation'] },
  precision: 'bf16',
} satisfies RecipeInput;
