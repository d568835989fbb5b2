/**
 * Checkpoints of a run: `checkpoints/step-N/` {model.safetensors, optimizer.safetensors, state.json, and the caller's
 * files such as config.json and tokenizer.json}. N is the number of updates made. A folder appears under its name only
 * when it is complete and on disk; then `checkpoints/latest` is moved to it; then old ones go. So whatever instant the
 * process dies at, `latest` names a complete checkpoint.
 */
import {
  FormatError,
  removeTemporaries,
  StateError,
  writeDirectoryAtomic,
  writeError,
  writeFileAtomic,
} from '@polygate/core';
import { loadOptimizer, loadParameters, saveOptimizer, saveParameters } from '@polygate/nn';
import type { AdamW, MovingAverage, ParameterSet } from '@polygate/nn';
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** Version of state.json; a reader refuses others. */
export const STATE_VERSION = 1;

/** What a run needs besides weights and moments to go on. */
export interface RunState {
  readonly version: typeof STATE_VERSION;
  /** Updates made. */
  readonly step: number;
  readonly seed: number;
  /** Batches taken from each source. */
  readonly cursors: Readonly<Record<string, number>>;
  readonly samples: number;
  readonly tokens: number;
  /** Whatever the caller keeps; JSON. */
  readonly extra?: unknown;
}

/** The live objects whose content a checkpoint holds. */
export interface Checkpointed {
  readonly parameters: ParameterSet;
  readonly optimizer: AdamW;
  /** Stored as average.safetensors. */
  readonly average?: MovingAverage;
}

/** A stored checkpoint. */
export interface CheckpointPlace {
  readonly step: number;
  /** Its folder. */
  readonly path: string;
}

const FOLDER = 'checkpoints';
const LATEST = 'latest';
const NAME = /^step-(\d+)$/u;
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

const errorCode = (cause: unknown): string => (cause as NodeJS.ErrnoException | null)?.code ?? '';

/** The checkpoints of a run, oldest first. */
export const listCheckpoints = async (runDirectory: string): Promise<readonly CheckpointPlace[]> => {
  const folder = join(runDirectory, FOLDER);
  const names = await readdir(folder).catch((cause: unknown) => {
    if (errorCode(cause) === 'ENOENT') return [] as string[];
    throw new StateError(
      `checkpoints: expected a readable folder at ${folder}, got ${errorCode(cause)}; check its permissions`,
      {
        fields: { path: folder },
        cause,
      },
    );
  });
  return names
    .flatMap((name) => {
      const match = NAME.exec(name);
      return match ? [{ step: Number(match[1]), path: join(folder, name) }] : [];
    })
    .sort((a, b) => a.step - b.step);
};

/** Name that `latest` gives: a link where the file system has them, else a text file. */
const readLatest = async (folder: string): Promise<string | undefined> => {
  const path = join(folder, LATEST);
  const entry = await lstat(path).catch(() => undefined);
  if (!entry) return undefined;
  return basename(entry.isSymbolicLink() ? await readlink(path) : (await readFile(path, 'utf8')).trim());
};

/**
 * The checkpoint to resume from: the one that `latest` names, or the newest complete one if that is gone.
 * @returns undefined for a run without checkpoints
 */
export const latestCheckpoint = async (runDirectory: string): Promise<CheckpointPlace | undefined> => {
  const places = await listCheckpoints(runDirectory);
  const name = await readLatest(join(runDirectory, FOLDER));
  return places.find(({ path }) => basename(path) === name) ?? places.at(-1);
};

const moveLatest = async (folder: string, name: string): Promise<void> => {
  const path = join(folder, LATEST);
  const temporary = join(folder, `.${LATEST}.${randomUUID()}.tmp`);
  try {
    await symlink(name, temporary, 'dir');
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    if (!NO_LINKS.has(errorCode(cause))) throw writeError(path, cause);
    await writeFileAtomic(path, `${name}\n`);
  }
};

/** Removes a checkpoint so that a half-removed one never carries its name. */
const removeCheckpoint = async ({ path }: CheckpointPlace): Promise<void> => {
  const grave = join(path, '..', `.${basename(path)}.${randomUUID()}.tmp`);
  await rename(path, grave);
  await rm(grave, { recursive: true, force: true });
};

/** Settings of {@link writeCheckpoint}. */
export interface WriteCheckpointOptions {
  readonly runDirectory: string;
  /** More files of the folder, by name. @default none */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** How many checkpoints stay, at least 1. @default 3 */
  readonly keepLast?: number;
}

/**
 * Writes a checkpoint, moves `latest` to it and removes the oldest.
 * @returns its place
 * @throws StateError when the disk is full or not writable; earlier checkpoints are intact then
 */
export const writeCheckpoint = async (
  live: Checkpointed,
  state: RunState,
  options: WriteCheckpointOptions,
): Promise<CheckpointPlace> => {
  const { runDirectory, files = {}, keepLast = 3 } = options;
  const folder = join(runDirectory, FOLDER);
  const name = `step-${state.step}`;
  const path = join(folder, name);
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw writeError(folder, cause);
  });
  await writeDirectoryAtomic(path, async (directory) => {
    await saveParameters(live.parameters, join(directory, 'model.safetensors'));
    await saveOptimizer(live.optimizer, join(directory, 'optimizer.safetensors'));
    if (live.average) await saveParameters(live.average.averages, join(directory, 'average.safetensors'));
    for (const [file, content] of Object.entries(files)) await writeFile(join(directory, file), content);
    await writeFile(join(directory, 'state.json'), `${JSON.stringify(state, null, 2)}\n`);
  });
  await moveLatest(folder, name);
  const others = (await listCheckpoints(runDirectory)).filter((place) => place.path !== path);
  const surplus = others.length - (Math.max(1, keepLast) - 1);
  for (const place of others.slice(0, Math.max(0, surplus))) await removeCheckpoint(place);
  return { step: state.step, path };
};

const isCounts = (value: unknown): value is Readonly<Record<string, number>> =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((count) => Number.isSafeInteger(count) && (count as number) >= 0);

const parseState = (text: string, path: string): RunState => {
  const refuse = (problem: string, cause?: unknown): FormatError =>
    new FormatError(`checkpoint ${path}: ${problem}; resume from another checkpoint or start a new run`, {
      fields: { path },
      ...(cause === undefined ? {} : { cause }),
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refuse(`expected JSON, got: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  const state = value as Partial<RunState> | null;
  if (state?.version !== STATE_VERSION) {
    throw refuse(`expected a state of version ${STATE_VERSION}, got ${JSON.stringify(state?.version)}`);
  }
  if (
    !isCounts({ step: state.step, samples: state.samples, tokens: state.tokens }) ||
    !isCounts(state.cursors)
  ) {
    throw refuse('expected whole numbers of at least 0 for step, samples, tokens and each cursor');
  }
  if (typeof state.seed !== 'number') throw refuse(`expected a seed, got ${JSON.stringify(state.seed)}`);
  return state as RunState;
};

/** The state of a checkpoint, without its tensors. @throws FormatError when it is damaged, StateError when unreadable */
export const readState = async (place: CheckpointPlace): Promise<RunState> => {
  const path = join(place.path, 'state.json');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new StateError(
      `checkpoint: expected a readable ${path}, got ${errorCode(cause)}; remove that folder to resume from an earlier one`,
      {
        fields: { path },
        cause,
      },
    );
  });
  return parseState(text, path);
};

/**
 * Loads a checkpoint into live objects.
 * @throws FormatError for a damaged file, ConfigError or ShapeError for another model's
 */
export const readCheckpoint = async (live: Checkpointed, place: CheckpointPlace): Promise<RunState> => {
  const state = await readState(place);
  await loadParameters(live.parameters, join(place.path, 'model.safetensors'));
  await loadOptimizer(live.optimizer, join(place.path, 'optimizer.safetensors'));
  if (live.average) await loadParameters(live.average.averages, join(place.path, 'average.safetensors'));
  return state;
};

/** Clears what a killed process left half-written in a run's folders. */
export const clearLeftovers = async (runDirectory: string): Promise<void> => {
  await removeTemporaries(runDirectory);
  await removeTemporaries(join(runDirectory, FOLDER));
};
