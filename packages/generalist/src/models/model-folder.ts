/** Model folders in the layout of Hugging Face: config.json, preprocessor_config.json, tokenizer.json, model.safetensors. */
import {
  ConfigError,
  createRandom,
  formatBytes,
  FormatError,
  nearestName,
  parseJson,
  StateError,
  unknownName,
  type Random,
} from '@polygate/core';
import {
  loadStoredExtensions,
  sha256File,
  storedExtensions,
  writeFileAtomic,
  type FileDigest,
} from '@polygate/core/node';
import { loadParameters, ParameterSet, saveParameters } from '@polygate/nn';
import { loadTokenizer, tokenizerConfig, type Tokenizer } from '@polygate/tokens';
import {
  bestCheckpoint,
  checkpointState,
  damagedCheckpoint,
  latestCheckpoint,
  listCheckpoints,
  requireBase,
  STATE_FILE,
  verifyFiles,
  type CheckpointPlace,
} from '@polygate/training';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseConfig, serializeConfig, serializePreprocessor, type SavedWith } from './config-file.ts';
import type { ModelSize } from './architecture.ts';
import type { ModelConfig } from './model-config.ts';
import { packagedModel } from './model-package.ts';
import { architectureOf } from './model-settings.ts';
import type { TuneSettings } from '../tuning/registry.ts';
import type { Generalist, TuningChoice } from './model.ts';

const CONFIG_FILE = 'config.json';
const PREPROCESSOR_FILE = 'preprocessor_config.json';
const TOKENIZER_CONFIG_FILE = 'tokenizer_config.json';
export const TOKENIZER_FILE = 'tokenizer.json';
export const WEIGHTS_FILE = 'model.safetensors';

/**
 * The small files of a model folder by name; a checkpoint takes them beside its weights.
 * @param folder that they will lie in
 */
export const modelFiles = (
  config: ModelConfig,
  tokenizer: Tokenizer,
  folder: string,
): Readonly<Record<string, string>> => ({
  [CONFIG_FILE]: serializeConfig(config, {}, folder),
  [PREPROCESSOR_FILE]: serializePreprocessor(config),
  // The same text as saveTokenizer writes: its hash is the tokenizer's.
  [TOKENIZER_FILE]: `${JSON.stringify(tokenizer.toJSON(), null, 2)}\n`,
  [TOKENIZER_CONFIG_FILE]: `${JSON.stringify(tokenizerConfig(tokenizer), null, 2)}\n`,
});

export interface SaveModelOptions {
  /** BF16 halves the file and rounds each weight. @default 'F32' */
  readonly dtype?: 'F32' | 'BF16';
  /** SHA-256 of the weights that the model was exported from. @default none */
  readonly source?: string;
}

/** All weights of a model: those of a base and of the adapter on it as one set. */
const allParameters = ({ base, parameters }: Pick<Generalist, 'base' | 'parameters'>): ParameterSet =>
  base ? ParameterSet.join([base, parameters]) : parameters;

/** Writes a model folder, which holds all weights, also those of an adapter’s base. @throws StateError for a full or unwritable disk */
export const saveModel = async (
  model: Generalist,
  folder: string,
  options: SaveModelOptions = {},
): Promise<void> => {
  const weights = await saveParameters(allParameters(model), join(folder, WEIGHTS_FILE), options);
  const saved = {
    weights,
    state: model.extraState?.save(),
    ...(options.source === undefined ? {} : { source: options.source }),
  };
  // The configuration is what makes the folder a model, so it comes last: without it an export that was cut short (a full
  // disk, a kill) is none, and is made again at the same place.
  const { [CONFIG_FILE]: _, ...others } = modelFiles(model.config, model.tokenizer, folder);
  const files = { ...others, [CONFIG_FILE]: serializeConfig(model.config, saved, folder) };
  for (const [name, text] of Object.entries(files)) await writeFileAtomic(join(folder, name), text);
};

/** Sizes of the model of a configuration; nothing is allocated. @throws ConfigError for one that makes no model */
export const modelSize = (config: ModelConfig): ModelSize => architectureOf(config).size(config);

/**
 * A model of any architecture with fresh weights on the current engine.
 * @throws ConfigError, StateError when tokenizer and configuration don't belong together
 */
export const createModel = (config: ModelConfig, tokenizer: Tokenizer, random: Random): Generalist =>
  architectureOf(config).create(config, { tokenizer, random });

const exists = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() === true;

/** The one of a run's checkpoints that is meant: by name, `last`, or `best` by the score that its recipe names. */
const checkpointOf = async (run: string, asked: string): Promise<CheckpointPlace | undefined> => {
  if (asked === 'last') return latestCheckpoint(run);
  if (asked === 'best') {
    const best = await bestCheckpoint(run);
    if (best) return best;
    throw new ConfigError(
      `checkpoint of ${run}: expected a best one, got a run whose recipe names no score of validation (validation.best.score); ask for last or a step`,
      { code: 'no-best', fields: { run } },
    );
  }
  const places = await listCheckpoints(run);
  const checkpoint = places.find(({ path }) => basename(path) === asked);
  if (checkpoint) return checkpoint;
  throw unknownName(`checkpoint of ${run}`, asked, [
    'best',
    'last',
    ...places.map(({ path }) => basename(path)),
  ]);
};

/** What a name was meant for that nothing is called: a folder beside it, or an installed package of its scope. */
const nearbyHint = async (given: string): Promise<string> => {
  const folders = [dirname(given), ...(given.startsWith('@') ? [join('node_modules', dirname(given))] : [])];
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => []);
    const best = nearestName(basename(given), names);
    if (best === undefined) continue;
    const path = join(dirname(given), best);
    return `did you mean "${path}"? else `;
  }
  return '';
};

/**
 * Folder of the weights: the folder itself, a checkpoint of a run folder, or that of a package such as `@polygate/mini`.
 * @param checkpoint `best`, `last`, or a name such as `step-1500`. @default the best by the score that the run's recipe
 * names, else the last
 * @throws StateError when there are none; ConfigError for a checkpoint that isn't there (lists those that are);
 * FormatError for a checkpoint that lacks its configuration
 */
export const modelFolderOf = async (given: string, checkpoint?: string): Promise<string> => {
  const folder = (await packagedModel(given)) ?? given;
  if (checkpoint === undefined && (await exists(join(folder, CONFIG_FILE)))) return folder;
  const chosen =
    checkpoint === undefined
      ? ((await bestCheckpoint(folder)) ?? (await latestCheckpoint(folder)))
      : await checkpointOf(folder, checkpoint);
  if (chosen) return chosen.path;
  if (checkpoint === undefined && (await exists(join(folder, STATE_FILE)))) {
    throw damagedCheckpoint(folder, CONFIG_FILE, { detail: 'expected a file, got none' });
  }
  const hint = (await stat(folder).catch(() => undefined)) ? '' : await nearbyHint(given);
  throw new StateError(
    `model: expected a model folder or a run with a checkpoint at ${folder}, got neither ${CONFIG_FILE} nor checkpoints; ${hint}run pretrain first, give the folder that it wrote, or install the package of that name`,
    { code: 'model-missing', fields: { folder } },
  );
};

/** Compares files of a checkpoint with its state; a model folder has none. */
const verifyCheckpoint = async (path: string, names: readonly string[]): Promise<void> => {
  const state = await checkpointState(path);
  if (state) await verifyFiles({ step: state.step, path }, state, names);
};

/**
 * What a model folder, or the checkpoint of a run that is used, says of its model; no weights are read.
 * @throws StateError for missing files, FormatError for a config.json that is damaged
 */
export const readModelConfig = async (
  folder: string,
): Promise<{
  readonly checkpoint: string;
  readonly config: ModelConfig;
  /** What a saved model says beside it; checkpoints say it in their state, exports of older versions don't. */
  readonly saved: SavedWith;
  /** Path of its tokenizer.json. */
  readonly tokenizerFile: string;
}> => {
  const checkpoint = await modelFolderOf(folder);
  const path = join(checkpoint, CONFIG_FILE);
  await verifyCheckpoint(checkpoint, [CONFIG_FILE, TOKENIZER_FILE]);
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new StateError(`model: expected a readable ${path}; the checkpoint is not one of a generalist`, {
      code: 'model-missing',
      cause,
    });
  });
  // Its architecture and families may be of extensions.
  const stored = storedExtensions(
    parseJson(bytes, `model config ${path}`, { remedy: 'is it a model folder?' }),
  );
  const extensions = await loadStoredExtensions(stored, {
    askedBy: `model ${checkpoint}`,
    folder: checkpoint,
  });
  const { config, saved } = parseConfig(bytes, path);
  return {
    checkpoint,
    config: extensions.length > 0 ? { ...config, extensions } : config,
    saved,
    tokenizerFile: join(checkpoint, TOKENIZER_FILE),
  };
};

const SHOWN_NAMES = 5;
/** A file of weights holds two bytes a value, at least. */
const LEAST_BYTES = 2;
/** Models below this are left to the reader of the weights, which says which tensor is not as it should be. */
const SMALL_MODEL = 2 ** 24;

/** Compares what a config.json asks for with the size of the weights beside it, before anything is allocated. */
const requireWeights = async (config: ModelConfig, checkpoint: string): Promise<void> => {
  const { parameters } = modelSize(config);
  const path = join(checkpoint, WEIGHTS_FILE);
  const stats = await stat(path).catch(() => undefined);
  if (!stats || parameters < SMALL_MODEL || stats.size >= LEAST_BYTES * parameters) return;
  throw new FormatError(
    `model ${checkpoint}: expected weights of the ${parameters} parameters that ${CONFIG_FILE} describes, got ${WEIGHTS_FILE} of ${formatBytes(stats.size)}; restore the folder or export the model anew`,
    { code: 'model-size', fields: { parameters, bytes: stats.size } },
  );
};

/** Compares the weights of a saved model with the digest in its config.json. */
const verifyWeights = async (checkpoint: string, expected: FileDigest): Promise<void> => {
  const path = join(checkpoint, WEIGHTS_FILE);
  const stats = await stat(path).catch(() => undefined);
  // A missing file is named by the reader of the weights.
  if (!stats) return;
  const sha256 = await sha256File(path);
  if (sha256 === expected.sha256) return;
  throw new FormatError(
    `model ${checkpoint}: expected ${WEIGHTS_FILE} of ${expected.bytes} bytes and SHA-256 ${expected.sha256}, which ${CONFIG_FILE} says, got ${stats.size} bytes and ${sha256}; the weights are damaged or another model's: restore the folder or export the model anew; if you changed them on purpose, leave "weights" out of ${CONFIG_FILE}`,
    { code: 'weights-differ', fields: { path } },
  );
};

/** What the state of a checkpoint says of the model beside its weights; undefined where there is none. */
const extraStateOf = async (checkpoint: string): Promise<unknown> => {
  const extra = (await checkpointState(checkpoint))?.extra as { readonly model?: unknown } | null | undefined;
  return extra?.model;
};

/** Weights of a folder; those of its base first where it is a checkpoint that has one. */
const loadWeights = async (
  parameters: ParameterSet,
  {
    checkpoint,
    weights,
    base,
  }: { readonly checkpoint: string; readonly weights: string; readonly base: string | undefined },
): Promise<void> => {
  if (base === undefined) {
    await loadParameters(parameters, weights);
    return;
  }
  // What the base lacks, such as adapters, is the checkpoint's; what the checkpoint lacks is the base's.
  const { missing } = await loadParameters(parameters, base, { strict: false });
  const { loaded, unexpected } = await loadParameters(parameters, weights, { strict: false });
  const lacking = missing.filter((name) => !loaded.includes(name));
  if (lacking.length + unexpected.length === 0) return;
  throw new ConfigError(
    `model ${checkpoint}: expected the model's parameters in the checkpoint and its base, got ${lacking.length} missing and ${unexpected.length} unexpected (${[...lacking, ...unexpected].slice(0, SHOWN_NAMES).join(', ')}); open it with the configuration that it was trained with`,
    { code: 'parameters-differ', fields: { path: checkpoint, missing: lacking, unexpected } },
  );
};

/** Starts an adapter on a model. @throws ConfigError for a model whose architecture has no adapters */
export const tuneModel = (base: Generalist, choice: TuningChoice): Generalist => {
  if (base.tuned) return base.tuned(choice);
  throw new ConfigError(
    `tune: expected a model that adapters can be on, got one of the architecture ${base.architecture}; use a method that trains its own weights`,
    { code: 'not-tunable', fields: { architecture: base.architecture } },
  );
};

/**
 * A model with an adapter: on the base that its checkpoint names, or, of a folder with all weights, on the one in it.
 * Weights of the adapter are to be loaded.
 */
const openAdapted = async (
  {
    config: { adapter, ...config },
    tokenizer,
  }: { readonly config: ModelConfig; readonly tokenizer: Tokenizer },
  base: string | undefined,
): Promise<Generalist> => {
  const random = createRandom(0);
  const opened = base === undefined ? createModel(config, tokenizer, random) : await loadModel(dirname(base));
  try {
    const choice = { settings: adapter as TuneSettings, tasks: config.tasks ?? [], random, owned: true };
    return tuneModel(opened, choice);
  } catch (error) {
    opened.dispose();
    throw error;
  }
};

/** Weights of a model with an adapter. */
const loadAdapted = async (model: Generalist, weights: string, base: string | undefined): Promise<void> => {
  await loadParameters(base === undefined ? allParameters(model) : model.parameters, weights);
};

/**
 * Loads a model folder, or the latest checkpoint of a run folder, on the current engine. An exported model has an encoder
 * with merged experts; a checkpoint that holds a part of the weights gets the others from its base.
 * @param options `base`: folder of the base, or its package, where it is no longer where the checkpoint says
 * @throws StateError for missing files, a missing base or another one, or a tokenizer that the weights were not made with; FormatError for damaged
 * files, also where only a checkpoint's hashes tell; ConfigError or ShapeError for weights of another configuration
 */
export const loadModel = async (
  folder: string,
  options: { readonly base?: string | undefined } = {},
): Promise<Generalist> => {
  const { checkpoint, config, saved } = await readModelConfig(folder);
  await verifyCheckpoint(checkpoint, [WEIGHTS_FILE]);
  const tokenizer = loadTokenizer(join(checkpoint, TOKENIZER_FILE), { expectedHash: config.tokenizerHash });
  const stored = await checkpointState(checkpoint);
  if (!stored?.base) await requireWeights(config, checkpoint);
  if (saved.weights) await verifyWeights(checkpoint, saved.weights);
  const given =
    options.base === undefined ? undefined : ((await packagedModel(options.base)) ?? options.base);
  const base = stored && (await requireBase({ step: stored.step, path: checkpoint }, stored, given));
  // The start values are overwritten at once, so any stream does.
  const model = config.adapter
    ? await openAdapted({ config, tokenizer }, base)
    : createModel(config, tokenizer, createRandom(0));
  try {
    const weights = join(checkpoint, WEIGHTS_FILE);
    if (config.adapter) await loadAdapted(model, weights, base);
    else await loadWeights(model.parameters, { checkpoint, weights, base });
    const state = (await extraStateOf(checkpoint)) ?? saved.state;
    if (state !== undefined) model.extraState?.restore(state);
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
};
