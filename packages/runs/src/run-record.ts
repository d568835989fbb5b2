/** What a run folder says about itself: its recipe, the engine of its training, and how far a checkpoint is. */
import { ConfigError, parseJson } from '@polygate/core';
import { loadStoredExtensions, storedExtensions } from '@polygate/core/node';
import { modelFolderOf, parseStoredRecipe, type Recipe } from '@polygate/generalist';
import { checkpointState, requireRun, type RunState } from '@polygate/training';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Name of the file with the resolved recipe and the engine that trained it. */
export const RECIPE_FILE = 'recipe.json';

/** The engine that a run was last trained on. */
export interface RecordedEngine {
  readonly name: string;
  readonly device: string;
  readonly precision: 'f32' | 'bf16';
}

export interface RunRecord {
  readonly run: string;
  /** Folder of the weights: a checkpoint of the run, or the model folder itself. */
  readonly weights: string;
  /** Absent for a model folder without a run. */
  readonly recipe?: Recipe;
  /** Absent where recipe.json does not say it. */
  readonly trainedOn?: RecordedEngine;
  readonly state?: RunState;
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The engine of a parsed recipe.json. */
export const recordedEngine = (stored: unknown): RecordedEngine | undefined => {
  const engine = isRecord(stored) ? stored['engine'] : undefined;
  if (!isRecord(engine)) return undefined;
  const { name, device, precision } = engine;
  if (typeof name !== 'string' || typeof device !== 'string') return undefined;
  return precision === 'f32' || precision === 'bf16' ? { name, device, precision } : undefined;
};

/** What the run of a parsed recipe.json is known by: its checkpoints say it, too. Runs of older versions have nothing. */
export const recordedRun = (stored: unknown): string | undefined => {
  const run = isRecord(stored) ? stored['run'] : undefined;
  return typeof run === 'string' ? run : undefined;
};

/** The extensions that a file of a run names, as recipes of this process do. */
const loadWritten = (run: string, written: unknown): Promise<readonly string[]> =>
  loadStoredExtensions(storedExtensions(written), { askedBy: `run ${run}`, folder: run });

const readRecipe = async (
  run: string,
): Promise<{ readonly known: string | undefined } & Pick<RunRecord, 'recipe' | 'trainedOn'>> => {
  const path = join(run, RECIPE_FILE);
  const stored = parseJson(await readFile(path), `run record ${path}`, { remedy: 'is it a run folder?' });
  const trainedOn = recordedEngine(stored);
  // Written by hand, it may be the recipe alone.
  const written = (isRecord(stored) ? stored['recipe'] : undefined) ?? stored;
  const extensions = await loadWritten(run, written);
  const recipe = parseStoredRecipe(
    isRecord(written) && extensions.length > 0 ? { ...written, extensions } : written,
  );
  return { known: recordedRun(stored), recipe, ...(trainedOn ? { trainedOn } : {}) };
};

/**
 * Loads the extensions that a run or a model folder names, for what must know them before it opens the run.
 * @param options `isNeeded`: whether there must be a run or model in the folder. @default false
 * @throws ConfigError naming the run and the extension that is missing or fails; StateError where there is no run but has to be
 */
export const loadRunExtensions = async (
  run: string,
  { isNeeded = false }: { readonly isNeeded?: boolean } = {},
): Promise<void> => {
  for (const name of [RECIPE_FILE, 'config.json']) {
    const path = join(run, name);
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    const stored = parseJson(text, `run record ${path}`, { remedy: 'is it a run folder?' });
    const written = (isRecord(stored) ? stored['recipe'] : undefined) ?? stored;
    await loadWritten(run, written);
  }
  if (isNeeded) await modelFolderOf(run);
};

/**
 * Reads a run folder, or a model folder on its own; no weights are read.
 * @param checkpoint `best`, `last`, or a name such as `step-1500`. @default the best by the score that the run's recipe
 * names, else the last
 * @throws StateError when there are no weights; ConfigError listing the checkpoints when the one asked for is not there;
 * FormatError for a checkpoint of another run
 */
export const readRun = async (run: string, checkpoint?: string): Promise<RunRecord> => {
  const weights = await modelFolderOf(run, checkpoint);
  const path = join(run, RECIPE_FILE);
  const isRun = (await stat(path).catch(() => undefined))?.isFile() === true;
  const state = await checkpointState(weights);
  const { known, ...record } = isRun ? await readRecipe(run) : { known: undefined };
  if (state) requireRun(weights, state, known);
  return { run, weights, ...record, ...(state ? { state } : {}) };
};

/** The suite to work on: the one asked for, or the one that the run was trained on. @throws ConfigError */
export const suiteFolderOf = (record: RunRecord, asked?: string): string => {
  const folder = asked ?? record.recipe?.suite;
  if (folder === undefined) {
    throw new ConfigError(
      `run: expected a suite for ${record.run}, which has no recipe.json that names one; give the folder of a prepared suite`,
    );
  }
  return folder;
};
