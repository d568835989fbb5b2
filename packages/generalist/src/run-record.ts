/** What a run folder says about itself: its recipe, and how far the checkpoint is that is used. */
import { ConfigError, parseJson } from '@polygate/core';
import { checkpointState, type RunState } from '@polygate/training';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { modelFolderOf } from './models/model-folder.ts';
import { parseRecipe, type Recipe } from './recipe.ts';

export interface RunRecord {
  readonly run: string;
  /** Folder of the weights: a checkpoint of the run, or the model folder itself. */
  readonly model: string;
  /** Absent for a model folder without a run. */
  readonly recipe?: Recipe;
  readonly state?: RunState;
}

const exists = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() === true;

const readRecipe = async (path: string): Promise<Recipe> => {
  const stored = parseJson(await readFile(path), `run record ${path}`, { remedy: 'is it a run folder?' });
  const isRecord = typeof stored === 'object' && stored !== null;
  return parseRecipe((isRecord ? (stored as { readonly recipe?: unknown }).recipe : undefined) ?? stored);
};

/**
 * Reads a run folder, or a model folder on its own.
 * @param checkpoint `best`, `last`, or a name such as `step-1500`. @default the best by the score that the run's recipe
 * names, else the last
 * @throws StateError when there are no weights; ConfigError listing the checkpoints when the one asked for is not there
 */
export const readRun = async (run: string, checkpoint?: string): Promise<RunRecord> => {
  const model = await modelFolderOf(run, checkpoint);
  const recipePath = join(run, 'recipe.json');
  const recipe = (await exists(recipePath)) ? await readRecipe(recipePath) : undefined;
  const state = await checkpointState(model);
  return { run, model, ...(recipe ? { recipe } : {}), ...(state ? { state } : {}) };
};

/** The suite to work on: the one asked for, or the one that the run was trained on. @throws ConfigError */
export const suiteFolderOf = (record: RunRecord, asked: string | undefined): string => {
  const folder = asked ?? record.recipe?.suite;
  if (folder === undefined) {
    throw new ConfigError(
      `run: expected a suite for ${record.run}, which has no recipe.json that names one; give the folder of a prepared suite`,
    );
  }
  return folder;
};
