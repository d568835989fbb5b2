/** What the campaigns against ranks train: a small run whose losses cross between ranks, and what came of it. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prepare } from '@polygate/app-prepare';
import { latestCheckpoint, readMetricRecords } from '@polygate/training';
import { prepareRecipe, put, writeRawFiles } from './campaign-suite.mjs';

/** Seconds that a rank waits for another one, and all that a start may take to end after what meets it. */
export const RANK_TIMEOUT = 10;
export const ENDING_MS = 60_000;

/** Words of Node for a start of a run. */
export const pretrainWords = (recipe, run) => [
  join(import.meta.dirname, '../apps/polygate/bin/polygate.js'),
  ...['pretrain', '--recipe', recipe, '--run', run],
];

const recipe = (suite) => ({
  name: 'small',
  suite,
  model: {
    ...{ preset: 'mini-moe', layers: 1, width: 12, heads: 2, hidden: 16, patchSize: 4, maxPositions: 64 },
    moe: { condition: 'token', experts: 3, topK: 2, noise: 1 },
  },
  tasks: {
    colours: { family: 'image-classification', dataset: 'colours', batchSize: 4 },
    captions: {
      ...{ family: 'image-text-retrieval', dataset: 'bars', batchSize: 4, maximumTokens: 8 },
    },
  },
  optimizer: { learningRate: 3e-3 },
  ...{ seed: 7, engine: 'cpu', steps: '12 steps' },
  checkpoint: { every: '2 steps', keep: 2 },
  validation: { every: '100%', limit: 2 },
});

/** Prepares the suite in a folder. @returns the file of the recipe that trains on it */
export const writeSuite = async (folder) => {
  await writeRawFiles(folder);
  const { directory } = await prepare({ recipe: prepareRecipe(8), workDirectory: folder });
  return put(folder, 'recipe.json', JSON.stringify(recipe(directory)));
};

/** Losses of the steps, and the hash of the last weights. */
export const outcomeOf = async (run) => {
  const losses = [];
  for await (const record of readMetricRecords(join(run, 'metrics.jsonl'))) {
    if (record?.kind === 'train') losses.push([record.step, record.task, record.loss]);
  }
  const { path } = await latestCheckpoint(run);
  const weights = await readFile(join(path, 'model.safetensors'));
  return JSON.stringify([losses, createHash('sha256').update(weights).digest('hex')]);
};

export const errorsOf = (log) => log.split('\n').filter((line) => line.startsWith('error: '));

/** Ends the campaign where something is not as it should be. */
export const require = (condition, what, log = '') => {
  if (!condition) throw new Error(`${what}:\n${log}`);
};
