/**
 * The mini generalist: one model for all images, clips and running text of the full mini suite, with attribute experts in
 * every other block. Patch size and learning rate were chosen in short runs (docs/results/LOG.md). What it is not trained on (captions and retrieval of sprites, understanding of texts) is for tuning.
 * Commands: npx polygate prepare --recipe mini-full && npx polygate pretrain --recipe mini-generalist
 */
import type { RecipeInput } from '@polygate/generalist';
import type { Augmentation } from '@polygate/tokens';

const drawings = { flip: 0.5, shift: 0.1, zoom: 0.25, turn: 12, tone: 0.25 };
const lines = { flip: 0.5, shift: 0.1, zoom: 0.25, turn: 8 };
const digits = { shift: 0.08, zoom: 0.1, turn: 8 };
const clothes = { flip: 0.5, shift: 0.08, zoom: 0.12, turn: 5, tone: 0.1 };

/** Part of the vocabulary a step, drawn flatly enough that every token is met often. */
const tokens = { kind: 'sampled', negatives: 384, power: 0.5, uniformShare: 0.3 } as const;

const labelled = (dataset: string, weight: number, augmentation: Augmentation) => ({
  family: 'image-classification' as const,
  dataset,
  batchSize: 32,
  weight,
  augmentation,
});
const clips = (dataset: string, weight: number) => ({
  family: 'video-classification' as const,
  dataset,
  batchSize: 16,
  weight,
  frames: 4,
  stride: 2,
  augmentation: { shift: 0.08, tone: 0.1 },
});
const written = (dataset: string, weight: number, augmentation: Augmentation) => ({
  family: 'image-captioning' as const,
  dataset,
  batchSize: 32,
  weight,
  maximumTokens: 12,
  candidates: tokens,
  augmentation,
});
const paired = (dataset: string, weight: number, augmentation: Augmentation) => ({
  family: 'image-text-retrieval' as const,
  dataset,
  batchSize: 48,
  weight,
  maximumTokens: 16,
  augmentation,
});

export const miniGeneralist = {
  name: 'mini-generalist',
  suite: 'data/mini-full',
  model: {
    preset: 'mini-moe',
    patchSize: 16,
    layerScale: 1,
    moe: { experts: 8, topK: 2, condition: 'attribute', every: 2 },
  },
  tasks: {
    'emoji-group': labelled('emoji-group', 2, drawings),
    'clip-art-category': labelled('clip-art-category', 1.5, drawings),
    mnist: labelled('mnist', 1.5, digits),
    fashion: labelled('fashion', 2.5, clothes),
    'digit-clips': clips('digit-clips', 1),
    'motion-clips': clips('motion-clips', 1),
    'sprite-action': clips('sprite-action', 1.5),
    'sprite-direction': clips('sprite-direction', 1.5),
    'emoji-captions/captioning': written('emoji-captions', 2, drawings),
    'emoji-captions/retrieval': paired('emoji-captions', 3, drawings),
    'clip-art/captioning': written('clip-art', 0.75, drawings),
    'clip-art/retrieval': paired('clip-art', 1.5, drawings),
    'icons/captioning': written('icons', 0.75, lines),
    'icons/retrieval': paired('icons', 1.5, lines),
    'running-text': {
      family: 'masked-language-modelling',
      dataset: 'running-text',
      batchSize: 24,
      weight: 5,
      candidates: tokens,
    },
  },
  optimizer: { learningRate: 3e-4, clipNorm: 1, weightDecay: 0.05 },
  steps: '60000 steps',
  validation: { every: '10%', limit: 96, splits: ['validation'] },
  checkpoint: { every: '2%', keep: 2 },
  precision: 'bf16',
} satisfies RecipeInput;
