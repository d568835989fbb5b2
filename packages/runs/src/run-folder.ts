import { ConfigError, excerpt, FormatError, ownValue, parseJson, sha256, StateError } from '@polygate/core';
import { changedExtensions, recordExtensions, storedExtensions, writeFileAtomic } from '@polygate/core/node';
import {
  parseStoredRecipe,
  readModelConfig,
  requireSuiteOf,
  type Initialization,
  type ModelConfig,
  type ModelSettings,
  type OpenSuite,
  type Recipe,
} from '@polygate/generalist';
import type { EngineChoice } from '@polygate/tensor';
import { latestCheckpoint } from '@polygate/training';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRecord, RECIPE_FILE, recordedEngine, recordedRun } from './run-record.ts';

const START_FILE = 'initialize.json';

/** Settings that may change between two parts of one run without changing what it computes. */
const free = new Set([
  'extensions',
  'engine',
  'device',
  'threads',
  'memoryBytes',
  'checkpoint',
  'validation',
  'telemetry',
]);

/** A stored recipe with the defaults of settings that came later; as it stands where it is none of today's. */
const withDefaults = (stored: unknown): unknown => {
  try {
    return parseStoredRecipe(stored);
  } catch {
    return stored;
  }
};

/** Paths of all leaves at which two JSON values differ. */
const differences = (a: unknown, b: unknown, path = ''): string[] => {
  if (isRecord(a) && isRecord(b)) {
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
      differences(ownValue(a, key), ownValue(b, key), path === '' ? key : `${path}.${key}`),
    );
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [path];
};

/**
 * The configuration that the model of a run which goes on was made with, whatever its recipe would give today. Undefined
 * where it can't be read: that is named when the checkpoint is opened, which may then go back to an earlier one.
 * @param data must have the ids and images that the run began with
 * @throws StateError for a suite of another tokenizer, ConfigError for one of another image size
 */
export const resumedConfig = async (run: string, data: OpenSuite): Promise<ModelConfig | undefined> => {
  const model = await readModelConfig(run).catch(() => undefined);
  if (model) requireSuiteOf(model, data, { run, goesOn: true });
  return model?.config;
};

/**
 * The precision that a run computes in. One that its recipe leaves to a measurement stays what it was when the run began:
 * a run that goes on computes what one that was never stopped computes.
 */
export const precisionOf = async (run: string, recipe: Recipe): Promise<Recipe['precision']> => {
  if (recipe.precision !== 'auto' || !(await latestCheckpoint(run))) return recipe.precision;
  const stored = await readFile(join(run, RECIPE_FILE), 'utf8')
    .then((text) => parseJson(text, `run ${run}: ${RECIPE_FILE}`))
    // A damaged one is named when the run is claimed.
    .catch(() => undefined);
  return recordedEngine(stored)?.precision ?? 'auto';
};

/** @throws ConfigError for modules that are not those that the run began with */
const requireSameExtensions = (run: string, begun: unknown): void => {
  const [changed] = changedExtensions(storedExtensions(begun));
  if (!changed) return;
  const { module, expected, got, file } = changed;
  throw new ConfigError(
    `run ${run}: expected the extension "${module}" that the run began with (SHA-256 ${expected}), got another at ${file} (${got}): what it goes on with must compute what it began with; restore the file, choose another --run folder, or delete this one to start over`,
    { code: 'run-extension-differs', fields: { run, module, expected, got } },
  );
};

/**
 * Writes the resolved recipe into the run folder, or checks that a run that is there already has the same one. A run
 * without a checkpoint has nothing to go on from, so its recipe may still be corrected.
 * @throws ConfigError naming the settings, or the module of an extension, that differ; FormatError for a recipe.json that is no JSON; StateError (code
 * `run-recipe-missing`) where there are checkpoints without one
 * @returns what the run is known by: the hash of the settings that it began with, which later versions keep
 */
export const claimRun = async (run: string, recipe: Recipe, engine: EngineChoice): Promise<string> => {
  const path = join(run, RECIPE_FILE);
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before === undefined && (await latestCheckpoint(run))) {
    throw new StateError(
      `run ${run}: expected ${RECIPE_FILE} with the settings that its checkpoints were made with, got none that can be read; restore it from a copy, or choose another --run folder`,
      { code: 'run-recipe-missing', fields: { run } },
    );
  }
  let known: string | undefined;
  if (before !== undefined) {
    const stored = parseJson(before, `run ${run}: ${RECIPE_FILE}`, { remedy: 'choose another run folder' });
    const { recipe: begun } = isRecord(stored) ? stored : {};
    if (await latestCheckpoint(run)) {
      requireSameExtensions(run, begun);
      known = recordedRun(stored);
    }
    const changed = differences(withDefaults(begun), recipe).filter(
      (key) => !free.has(key.split('.')[0] ?? ''),
    );
    if (changed.length > 0 && (await latestCheckpoint(run))) {
      throw new ConfigError(
        `run ${run}: expected the recipe that the run began with, got other settings: ${changed.join(', ')}; choose another --run folder, or delete this one to start over`,
        { code: 'run-recipe-differs', fields: { run, changed } },
      );
    }
  }
  known ??= sha256(JSON.stringify(Object.entries(recipe).filter(([key]) => !free.has(key))));
  const { name, device, precision } = engine;
  const written = { ...recipe, extensions: recordExtensions(recipe.extensions, run) };
  await writeFileAtomic(
    path,
    `${JSON.stringify({ run: known, recipe: written, engine: { name, device, precision } }, null, 2)}\n`,
  );
  return known;
};

/** Writes down what a run's start took from other weights, and the settings of the model with what it decided of them. */
export const recordStart = (run: string, start: Initialization, model?: ModelSettings): Promise<void> =>
  writeFileAtomic(
    join(run, START_FILE),
    `${JSON.stringify({ ...start, ...(model ? { model } : {}) }, null, 2)}\n`,
  );

/**
 * What a run's start decided of its model's settings. A run of an older version decided the scale of its grid, or
 * nothing.
 * @throws FormatError
 */
export const readStart = async (run: string): Promise<Partial<ModelSettings>> => {
  const path = join(run, START_FILE);
  const text = await readFile(path, 'utf8').catch(() => '{}');
  const stored = parseJson(text, `run ${run}: ${START_FILE}`, {
    remedy: 'start the run over in another folder',
  });
  const { gridScale, model = gridScale === undefined ? {} : { gridScale } } = isRecord(stored) ? stored : {};
  if (isRecord(model)) return model;
  throw new FormatError(
    `run ${run}: expected settings of the model in ${START_FILE}, got ${excerpt(model)}; start the run over in another folder`,
    { fields: { path } },
  );
};
