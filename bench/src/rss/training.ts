/**
 * A child of the case `rss`: pre-trains a small model on all four task families and notes the resident memory of each
 * window of fifty steps, once it has settled.
 *
 * node --expose-gc training.js SUITE RUN
 */
import { StateError } from '@polygate/core';
import { parseRecipe } from '@polygate/generalist';
import { trainRecipe } from '@polygate/runs';
import { report, residentMegabytes } from './resident.ts';

const STEPS = 500;
const WINDOW = 50;
/**
 * Steps in which every task and expert has come, caches are full and the allocator has the blocks that it reuses: texts of
 * all lengths ask for blocks of many sizes, and it keeps the most that it ever needed of each.
 */
const SETTLED = 400;
/** An allocator's breathing. A leak of one activation a step would be hundreds (a batch of this model is about 0.5 MB). */
const ALLOWED_MEGABYTES = 40;

const [suite = '', run = ''] = process.argv.slice(2);
const recipe = parseRecipe({
  name: 'rss',
  suite,
  model: { preset: 'mini-moe', layers: 2, width: 64, heads: 2, hidden: 128 },
  tasks: {
    group: {
      family: 'image-classification',
      dataset: 'emoji-group',
      batchSize: 8,
      augmentation: { flip: 0.5 },
    },
    caption: {
      family: 'image-captioning',
      dataset: 'emoji-captions',
      batchSize: 8,
      candidates: { kind: 'sampled', negatives: 64 },
    },
    retrieval: { family: 'image-text-retrieval', dataset: 'emoji-captions', batchSize: 8 },
    text: {
      family: 'masked-language-modelling',
      dataset: 'text',
      batchSize: 8,
      candidates: { kind: 'sampled', negatives: 64 },
    },
  },
  steps: `${SETTLED + STEPS} steps`,
  checkpoint: { every: '200 steps' },
  validation: { every: '200 steps', limit: 16, splits: ['validation'] },
  precision: 'bf16',
});

const seen: number[] = [];
let last = 0;
const { engine, status } = await trainRecipe(
  { recipe, run },
  {
    progress: {
      update({ step }) {
        last = step;
        if (step % WINDOW === 0) seen.push(residentMegabytes());
      },
      note() {},
      stop() {},
    },
  },
);
if (status !== 'finished' || last !== SETTLED + STEPS)
  throw new StateError(`rss: expected ${SETTLED + STEPS} steps, got ${last}`);
const skipped = SETTLED / WINDOW - 1;
const windows = seen.slice(skipped + 1).map((value, i) => [`step ${SETTLED + (i + 1) * WINDOW}`, value]);
report({
  name: 'rss-training',
  validated: `${STEPS} steps of four task families with validation and checkpoints, after ${SETTLED} that settled`,
  settledMegabytes: seen[skipped] ?? Number.NaN,
  laterMegabytes: Object.fromEntries(windows) as Record<string, number>,
  allowedMegabytes: ALLOWED_MEGABYTES,
  detail: { engine: engine.name, precision: engine.precision },
});
