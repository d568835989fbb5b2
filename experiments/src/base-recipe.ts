/**
 * The model and data of all experiments: small enough for a run of about a minute on one thread, and scarce enough in
 * width that tasks compete for it. Digits are classified, words of WordNet and Moby-Dick are masked, emoji of two vendors
 * are captioned and scored on a third; tasks are drawn evenly. The learning rate was chosen for the dense model.
 */
import type { RecipeInput } from '@polygate/generalist';
import type { ScoredMetric, ScoredTask } from './experiment.ts';

/** The suite: `polygate prepare --recipe mini` with these settings. */
export const suiteSettings: readonly string[] = Object.freeze([
  'name=experiments',
  'image.size=24',
  'text.length=24',
  'tokenizer.vocabularySize=320',
  'sources.emoji.heldOutVendor=twemoji',
  // A sixth of the text is more than a run reads, and rows that are not packed are read in no time.
  'sources.text.every=6',
  'compression=none',
]);

export const baseRecipe = {
  name: 'experiment',
  suite: 'data/experiments',
  model: {
    preset: 'mini-moe',
    layers: 4,
    width: 32,
    heads: 2,
    hidden: 128,
    patchSize: 8,
    maxPositions: 64,
    layerScale: 1,
  },
  tasks: {
    classification: { family: 'image-classification', dataset: 'mnist', batchSize: 32, weight: 1 },
    'masked-words': {
      family: 'masked-language-modelling',
      dataset: 'text',
      batchSize: 24,
      weight: 1,
      candidates: { kind: 'whole' },
      maskRate: 0.3,
    },
    captioning: {
      family: 'image-captioning',
      dataset: 'emoji-captions',
      batchSize: 24,
      weight: 1,
      maximumTokens: 16,
      candidates: { kind: 'whole' },
    },
  },
  optimizer: { learningRate: 2e-3, clipNorm: 1 },
  schedule: { minimum: 1e-5 },
  steps: '2000 steps',
  engine: 'torch',
  threads: 1,
  precision: 'bf16',
  checkpoint: { every: '25%', keep: 4 },
  validation: { every: '100%', limit: 32, splits: ['validation'] },
} satisfies RecipeInput;

export const scoredTasks: readonly ScoredTask[] = Object.freeze([
  { task: 'classification', split: 'test', rows: 1551 },
  { task: 'masked-words', split: 'validation', rows: 1500 },
  { task: 'captioning', split: 'unseen-vendor', rows: 800 },
]);

/** Columns of the tables: one metric of each task is normalised, as in the paper's Table 3 (accuracy, BLEU-4, perplexity). */
export const metrics: readonly ScoredMetric[] = Object.freeze([
  { task: 'classification', metric: 'accuracy', label: 'digits, top-1', better: 'higher', digits: 3 },
  { task: 'masked-words', metric: 'perplexity', label: 'masked tokens, perplexity', better: 'lower' },
  { task: 'captioning', metric: 'perplexity', label: 'captions, perplexity', better: 'lower' },
  {
    task: 'captioning',
    metric: 'token-F1',
    label: 'captions, token-F1',
    better: 'higher',
    digits: 3,
    normalised: false,
  },
]);
