/**
 * Checkpoints of a run: `checkpoints/step-N/` {model.safetensors, optimizer.safetensors, state.json, and the caller's
 * files such as config.json and tokenizer.json}. N is the number of updates made. A folder appears under its name only
 * when it is complete and on disk; then `checkpoints/latest` is moved to it; then old ones go. So whatever instant the
 * process dies at, `latest` names a complete checkpoint.
 */
import { PolygateError, sha256, StateError } from '@polygate/core';
import {
  makeFolder,
  removeTemporaries,
  syncDirectory,
  type FileDigest,
  writeDirectoryAtomic,
  writeError,
  writeFileAtomic,
} from '@polygate/core/node';
import { loadParameters, saveParameters } from '@polygate/nn';
import type { MovingAverage, Optimizer, ParameterSet } from '@polygate/nn';
import { randomUUID } from 'node:crypto';
import { lstat, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  damagedCheckpoint,
  formatState,
  readState,
  STATE_FILE,
  STEP_NAME,
  verifyFiles,
  type CheckpointPlace,
  type RunState,
} from './checkpoint-state.ts';

/** The live objects whose content a checkpoint holds. */
export interface Checkpointed {
  readonly parameters: ParameterSet;
  readonly optimizer: Optimizer;
  /** Stored as average.safetensors. */
  readonly average?: MovingAverage;
}

const FOLDER = 'checkpoints';
const LATEST = 'latest';
const MODEL_FILE = 'model.safetensors';
const OPTIMIZER_FILE = 'optimizer.safetensors';
const AVERAGE_FILE = 'average.safetensors';
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

const errorCode = (cause: unknown): string => (cause as NodeJS.ErrnoException | null)?.code ?? '';

/** Folder of the checkpoint of a step, whether it is there or not. */
export const checkpointFolder = (runDirectory: string, step: number): string =>
  join(runDirectory, FOLDER, `step-${step}`);

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
      const match = STEP_NAME.exec(name);
      return match ? [{ step: Number(match[1]), path: join(folder, name) }] : [];
    })
    .sort((a, b) => a.step - b.step);
};

/** Name that `latest` gives: a link where the file system has them, else a text file. */
const readLatest = async (folder: string): Promise<string | undefined> => {
  const path = join(folder, LATEST);
  const entry = await lstat(path).catch(() => undefined);
  // A copy that followed links has a folder there: the newest checkpoint will do.
  if (!entry || entry.isDirectory()) return undefined;
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

/**
 * The checkpoint of the best validation, by the state of the latest one.
 * @returns undefined for a run that names no score, or has none yet
 * @throws StateError (code `best-missing`) where its folder is gone, or (code `checkpoint-unreadable`) the state is;
 * FormatError for a damaged state
 */
export const bestCheckpoint = async (runDirectory: string): Promise<CheckpointPlace | undefined> => {
  const latest = await latestCheckpoint(runDirectory);
  if (!latest) return undefined;
  const { best } = await readState(latest);
  if (best?.step === undefined) return undefined;
  const checkpoint = (await listCheckpoints(runDirectory)).find(({ step }) => step === best.step);
  if (checkpoint) return checkpoint;
  throw new StateError(
    `checkpoint: expected the best one, step-${best.step}, in ${join(runDirectory, FOLDER)}, got none; restore it from a copy, or ask for the last one (--checkpoint last)`,
    { code: 'best-missing', fields: { runDirectory, step: best.step } },
  );
};

/**
 * The state of a checkpoint's folder.
 * @returns undefined for another folder, such as that of an exported model, which has none
 * @throws StateError (code `checkpoint-unreadable`) for a checkpoint, known by its place in a run, whose state is gone;
 * FormatError for a damaged one
 */
export const checkpointState = async (path: string): Promise<RunState | undefined> => {
  const stats = await stat(join(path, STATE_FILE)).catch(() => undefined);
  const name = basename(resolve(path));
  const isStored = (STEP_NAME.test(name) || name === LATEST) && basename(dirname(resolve(path))) === FOLDER;
  return stats || isStored ? readState({ step: 0, path }) : undefined;
};

/** Points `latest` to a checkpoint of the folder; it is on the disk when this returns. */
const moveLatest = async (folder: string, name: string): Promise<void> => {
  const path = join(folder, LATEST);
  const temporary = join(folder, `.${LATEST}.${randomUUID()}.tmp`);
  try {
    await symlink(name, temporary, 'dir');
    await rename(temporary, path);
    // Old checkpoints go next: the disk must not hear of that first.
    await syncDirectory(folder);
  } catch (cause) {
    await rm(temporary, { force: true });
    if (!NO_LINKS.has(errorCode(cause))) throw writeError(path, cause);
    await writeFileAtomic(path, `${name}\n`);
  }
};

/** Removes a checkpoint so that a half-removed one never carries its name. */
const removeCheckpoint = async ({ path }: CheckpointPlace): Promise<void> => {
  const grave = join(path, '..', `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await rename(path, grave);
    await rm(grave, { recursive: true, force: true });
  } catch (cause) {
    throw writeError(path, cause);
  }
};

/** Checkpoints that stay. */
const DEFAULT_KEEP = 3;

/** Settings of {@link writeCheckpoint}. */
export interface WriteCheckpointOptions {
  readonly runDirectory: string;
  /** More files of the folder, by name. @default none */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** How many checkpoints stay, at least 1. @default 3 */
  readonly keepLast?: number;
}

/**
 * Removes the oldest checkpoints before that of a state, but for `keepLast` with it and the one of the best validation. A
 * process that was killed may have left some, so a run that is resumed asks for it, too.
 */
export const removeSurplus = async (
  runDirectory: string,
  { step, best }: Pick<RunState, 'step' | 'best'>,
  keepLast = DEFAULT_KEEP,
): Promise<void> => {
  const earlier = (await listCheckpoints(runDirectory)).filter(
    (each) => each.step < step && each.step !== best?.step,
  );
  const surplus = earlier.length - (Math.max(1, keepLast) - 1);
  for (const checkpoint of earlier.slice(0, Math.max(0, surplus))) await removeCheckpoint(checkpoint);
};

/**
 * Writes a checkpoint, moves `latest` to it and removes the oldest; the one of the best validation stays.
 * @returns its place
 * @throws StateError when the disk is full or not writable; earlier checkpoints are intact then
 */
export const writeCheckpoint = async (
  live: Checkpointed,
  state: RunState,
  options: WriteCheckpointOptions,
): Promise<CheckpointPlace> => {
  const { runDirectory, files = {}, keepLast = DEFAULT_KEEP } = options;
  const folder = join(runDirectory, FOLDER);
  const name = `step-${state.step}`;
  const path = join(folder, name);
  await makeFolder(folder).catch((cause: unknown) => {
    throw writeError(folder, cause);
  });
  await writeDirectoryAtomic(path, async (directory) => {
    const digests: Record<string, FileDigest> = {};
    digests[MODEL_FILE] = await saveParameters(live.parameters, join(directory, MODEL_FILE));
    digests[OPTIMIZER_FILE] = await live.optimizer.save(join(directory, OPTIMIZER_FILE));
    if (live.average) {
      digests[AVERAGE_FILE] = await saveParameters(live.average.averages, join(directory, AVERAGE_FILE));
    }
    for (const [file, content] of Object.entries(files)) {
      await writeFile(join(directory, file), content);
      digests[file] = { bytes: Buffer.byteLength(content), sha256: sha256(content) };
    }
    await writeFile(join(directory, STATE_FILE), formatState({ ...state, files: digests }));
  });
  await moveLatest(folder, name);
  await removeSurplus(runDirectory, state, keepLast);
  return { step: state.step, path };
};

/**
 * Loads a checkpoint into live objects. Every file is compared with its size and hash before any is used.
 * @throws FormatError (code `checkpoint-damaged`) naming folder, file and reason; ConfigError or ShapeError for another
 * model's
 */
export const readCheckpoint = async (live: Checkpointed, checkpoint: CheckpointPlace): Promise<RunState> => {
  const state = await readState(checkpoint);
  await verifyFiles(checkpoint, state);
  const load = async (file: string, action: (path: string) => Promise<unknown>): Promise<void> => {
    try {
      await action(join(checkpoint.path, file));
    } catch (cause) {
      // Names and shapes of files that are as they were written: another model's. Without hashes nobody can tell.
      if (!(cause instanceof PolygateError) || state.files) throw cause;
      throw damagedCheckpoint(checkpoint.path, file, { detail: cause.message, cause });
    }
  };
  await load(MODEL_FILE, (path) => loadParameters(live.parameters, path));
  await load(OPTIMIZER_FILE, (path) => live.optimizer.load(path));
  const { average } = live;
  if (average) await load(AVERAGE_FILE, (path) => loadParameters(average.averages, path));
  for (const [name, { count }] of live.optimizer.state()) {
    if (count <= state.step) continue;
    throw damagedCheckpoint(checkpoint.path, OPTIMIZER_FILE, {
      detail: `expected at most ${state.step} updates of "${name}", got ${count}`,
    });
  }
  return state;
};

/**
 * Sets checkpoints aside that must not be resumed from: each is renamed to `damaged-step-N`, and `latest` moves to the
 * one that is good.
 * @returns their new paths
 */
export const setAside = async (
  runDirectory: string,
  damaged: readonly CheckpointPlace[],
  good: CheckpointPlace,
): Promise<readonly string[]> => {
  const folder = join(runDirectory, FOLDER);
  await moveLatest(folder, basename(good.path));
  const paths: string[] = [];
  for (const { path } of damaged) {
    const aside = join(folder, `damaged-${basename(path)}`);
    await rm(aside, { recursive: true, force: true });
    await rename(path, aside);
    paths.push(aside);
  }
  return paths;
};

/** Clears what a killed process left half-written in a run's folders. */
export const clearLeftovers = async (runDirectory: string): Promise<void> => {
  await removeTemporaries(runDirectory);
  await removeTemporaries(join(runDirectory, FOLDER));
};
