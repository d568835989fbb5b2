/**
 * An adapter as a small folder of its own: `adapter.json` (method, settings, tasks with the names of their classes, the
 * SHA-256 of the base's weights) and `adapter.safetensors`. It belongs to the base that it was tuned on, and to what was
 * exported from that; on any other weights it would answer nonsense, so it is refused there.
 */
import { checkSettings, createRandom, FormatError, parseJson, StateError } from '@polygate/core';
import {
  loadStoredExtensions,
  recordExtensions,
  sha256File,
  storedExtensions,
  writeFileAtomic,
} from '@polygate/core/node';
import { loadParameters, saveParameters } from '@polygate/nn';
import { checkpointState, verifyFiles } from '@polygate/training';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { tuneSchema, type TuneSettings } from '../tuning/registry.ts';
import { taskShape } from './config-file.ts';
import { defined } from './defined.ts';
import type { Generalist } from './model.ts';
import type { ModelConfig } from './model-config.ts';
import { modelFolderOf, readModelConfig, tuneModel, WEIGHTS_FILE } from './model-folder.ts';

const ADAPTER_FILE = 'adapter.json';
const ADAPTER_WEIGHTS = 'adapter.safetensors';

const hash = z.string().regex(/^[0-9a-f]{64}$/u);

const adapterShape = z.object({
  modelType: z.literal('polygate-adapter'),
  version: z.literal(1),
  adapter: z.record(z.string(), z.unknown()),
  tasks: z.array(taskShape),
  base: z.object({ sha256: hash }),
  weights: z.object({ bytes: z.number().int().min(0), sha256: hash }),
  extensions: z.array(z.unknown()).optional(),
});

/** What is known of an adapter before it is on a base. */
interface StoredAdapter {
  readonly settings: TuneSettings;
  readonly tasks: NonNullable<ModelConfig['tasks']>;
  /** SHA-256 of the weights of its base. */
  readonly base: string;
  /** Path of its weights. */
  readonly weights: string;
}

/**
 * What a model's weights are known by: their SHA-256, and that of the weights that they were exported from.
 * @param folder of a model, or a checkpoint
 * @throws StateError for a folder without a model
 */
export const weightsHashes = async (folder: string): Promise<readonly string[]> => {
  const { checkpoint, saved } = await readModelConfig(folder);
  const state = await checkpointState(checkpoint);
  const weightsHash =
    saved.weights?.sha256 ??
    state?.files?.[WEIGHTS_FILE]?.sha256 ??
    (await sha256File(join(checkpoint, WEIGHTS_FILE)));
  return saved.source === undefined ? [weightsHash] : [weightsHash, saved.source];
};

/** @throws StateError for a model without an adapter */
const adapterOf = ({ config }: Pick<Generalist, 'config'>): TuneSettings => {
  if (config.adapter) return config.adapter;
  throw new StateError(
    'adapter: expected a model that was tuned by an adapter, got one whose own weights were trained; export it as a model',
    { code: 'no-adapter' },
  );
};

/**
 * Writes the adapter of a tuned model, without its base.
 * @param base SHA-256 of the base's weights
 * @throws StateError for a model without an adapter, and a full or unwritable disk
 */
export const saveAdapter = async (model: Generalist, folder: string, base: string): Promise<void> => {
  const adapter = adapterOf(model);
  const weights = await saveParameters(model.parameters, join(folder, ADAPTER_WEIGHTS));
  const { tasks = [], extensions = [] } = model.config;
  const content = {
    modelType: 'polygate-adapter',
    version: 1,
    adapter,
    tasks,
    base: { sha256: base },
    weights: { bytes: weights.bytes, sha256: weights.sha256 },
    ...(extensions.length > 0 ? { extensions: recordExtensions(extensions, folder) } : {}),
  };
  await writeFileAtomic(join(folder, ADAPTER_FILE), `${JSON.stringify(content, null, 2)}\n`);
};

const readFolder = async (folder: string): Promise<StoredAdapter> => {
  const path = join(folder, ADAPTER_FILE);
  const value = parseJson(await readFile(path), `adapter ${path}`, { remedy: 'export it anew' });
  await loadStoredExtensions(storedExtensions(value), { askedBy: `adapter ${folder}`, folder });
  const result = adapterShape.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new FormatError(
      `adapter ${path}: expected an adapter of Polygate: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}; export it anew`,
      { fields: { path } },
    );
  }
  const { adapter, tasks, base, weights } = result.data;
  const file = join(folder, ADAPTER_WEIGHTS);
  const sha256 = await sha256File(file).catch(() => 'none');
  if (sha256 !== weights.sha256) {
    throw new FormatError(
      `adapter ${folder}: expected ${ADAPTER_WEIGHTS} of SHA-256 ${weights.sha256}, which ${ADAPTER_FILE} says, got ${sha256}; restore the folder or export the adapter anew`,
      { code: 'weights-differ', fields: { path: file } },
    );
  }
  return {
    settings: checkSettings(tuneSchema(), adapter, `adapter ${path}`),
    tasks: tasks.map((task) => defined(task)) as unknown as StoredAdapter['tasks'],
    base: base.sha256,
    weights: file,
  };
};

/** The adapter of a run that tunes, at its best or latest checkpoint. */
const readTunedRun = async (folder: string): Promise<StoredAdapter> => {
  const checkpoint = await modelFolderOf(folder);
  const { config } = await readModelConfig(checkpoint);
  const settings = adapterOf({ config });
  const state = await checkpointState(checkpoint);
  if (!state?.base) {
    throw new StateError(
      `adapter ${folder}: expected an adapter without its base, got a model folder that has both; open it as a model, or export the adapter of its run (polygate export --form adapter)`,
      { code: 'no-adapter', fields: { folder } },
    );
  }
  await verifyFiles({ step: state.step, path: checkpoint }, state, [WEIGHTS_FILE]);
  return {
    settings,
    tasks: config.tasks ?? [],
    base: state.base.sha256,
    weights: join(checkpoint, WEIGHTS_FILE),
  };
};

/** The model that an adapter is opened on. */
export interface AdapterBase {
  readonly model: Generalist;
  /** Its folder. */
  readonly folder: string;
}

/**
 * Opens an adapter on its base. Any number of them may be open on one base at once.
 * @param from folder of an adapter, or of a run that tunes
 * @param options `owned`: whether the tuned model takes over the base, and frees it in the end. @default false
 * @throws StateError (code `base-differs`) for an adapter of another base, naming both; FormatError for a damaged one;
 * ConfigError for a base that has an adapter already
 */
export const openAdapter = async (
  { model, folder }: AdapterBase,
  from: string,
  options: { readonly owned?: boolean } = {},
): Promise<Generalist> => {
  const isFolder = (await stat(join(from, ADAPTER_FILE)).catch(() => undefined))?.isFile() === true;
  const { settings, tasks, base, weights } = isFolder ? await readFolder(from) : await readTunedRun(from);
  const hashes = await weightsHashes(folder);
  if (!hashes.includes(base)) {
    throw new StateError(
      `adapter ${from}: expected its base, a model whose weights have SHA-256 ${base}, got ${folder} with ${hashes.join(', exported from ')}; it belongs to that base and what was exported from it alone: open it there, or tune this model`,
      { code: 'base-differs', fields: { from, folder, expected: base, got: hashes } },
    );
  }
  const tuned = tuneModel(model, { settings, tasks, random: createRandom(0), ...options });
  try {
    await loadParameters(tuned.parameters, weights);
    return tuned;
  } catch (error) {
    tuned.dispose();
    throw error;
  }
};
