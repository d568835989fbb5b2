/**
 * The demo: all four task families of the mini suite, jointly, with attribute experts, on the torch engine.
 * Command: npx polygate demo
 */
import type { RecipeInput } from '@polygate/generalist';

const pictures = { flip: 0.5, shift: 0.1, zoom: 0.2, turn: 12, tone: 0.15 };

export const demo = {
  name: 'demo',
  suite: 'data/mini',
  model: { preset: 'mini-moe' },
  tasks: {
    'emoji-group': {
      family: 'image-classification',
      dataset: 'emoji-group',
      batchSize: 64,
      weight: 4,
      augmentation: pictures,
    },
    mnist: {
      family: 'image-classification',
      dataset: 'mnist',
      batchSize: 32,
      weight: 1,
      augmentation: { shift: 0.08, turn: 8 },
    },
    'emoji-captions/captioning': {
      family: 'image-captioning',
      dataset: 'emoji-captions',
      batchSize: 48,
      weight: 2,
      maximumTokens: 12,
      augmentation: pictures,
    },
    'emoji-captions/retrieval': {
      family: 'image-text-retrieval',
      dataset: 'emoji-captions',
      batchSize: 64,
      weight: 4,
      maximumTokens: 16,
      augmentation: pictures,
    },
    text: {
      family: 'masked-language-modelling',
      dataset: 'text',
      batchSize: 32,
      weight: 2,
      lossWeight: 0.5,
    },
  },
  optimizer: { learningRate: 1e-3 },
  steps: '3000 steps',
  precision: 'bf16',
} satisfies RecipeInput;
