/**
 * state.json of a checkpoint: how far the run is, and size and SHA-256 of every other file of the folder. It is sealed
 * by the SHA-256 of itself, so a flipped bit anywhere in the folder is found before anything of it is used.
 *
 * Version 1 had neither hashes nor seal; such checkpoints are still read, with the checks that are possible. Version 3 is
 * that of checkpoints whose weights are a part of a model: it names the base that they belong to.
 */
import { excerpt, FormatError, parseJson, sealJson, sealOf, StateError } from '@polygate/core';
import { sha256File, type FileDigest } from '@polygate/core/node';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BestState } from './best-score.ts';

/** Version of state.json of a checkpoint with all weights of its model; readers take this and older ones, and the next. */
export const STATE_VERSION = 2;
/** Version of state.json of a checkpoint with a base. */
export const BASED_STATE_VERSION = 3;
/** Name of the file. */
export const STATE_FILE = 'state.json';
/** Checkpoint folders by the number of updates made. */
export const STEP_NAME = /^step-(\d+)$/u;

/** The model whose weights a checkpoint lacks: it holds those that are trained alone. */
export interface CheckpointBase {
  /** Folder of the model or checkpoint, where it was when the run began; relative to the run's folder or absolute. */
  readonly path: string;
  /** SHA-256 of its weights file, in hexadecimal: what it is known by. */
  readonly sha256: string;
}

/** What a run needs besides weights and moments to go on. */
export interface RunState {
  readonly version: 1 | typeof STATE_VERSION | typeof BASED_STATE_VERSION;
  /** Updates made. */
  readonly step: number;
  readonly seed: number;
  /** Batches taken from each source. */
  readonly cursors: Readonly<Record<string, number>>;
  readonly samples: number;
  readonly tokens: number;
  /** What each source's data are known by, for those that say it. */
  readonly data?: Readonly<Record<string, string>>;
  /** What the run is known by, for those that say it. */
  readonly run?: string;
  /** Absent where the checkpoint holds all weights of its model. */
  readonly base?: CheckpointBase;
  /** The best validation so far; absent where the run names no score. */
  readonly best?: BestState;
  /** Whatever the caller keeps; JSON. */
  readonly extra?: unknown;
  /** The other files of the folder; absent in version 1. */
  readonly files?: Readonly<Record<string, FileDigest>>;
}

/** A stored checkpoint. */
export interface CheckpointPlace {
  readonly step: number;
  /** Its folder. */
  readonly path: string;
}

/** The error of a damaged checkpoint: names folder and file, and the way back. */
export const damagedCheckpoint = (
  path: string,
  file: string,
  problem: { readonly detail: string; readonly cause?: unknown },
): FormatError =>
  new FormatError(
    `checkpoint ${path}: ${file}: ${problem.detail}; the checkpoint is damaged: restore that file from a copy, or resume from the last good checkpoint (--resume last-good)`,
    {
      code: 'checkpoint-damaged',
      fields: { path, file },
      ...(problem.cause === undefined ? {} : { cause: problem.cause }),
    },
  );

/**
 * Holds a checkpoint to the run whose folder it lies in; runs of older versions are known by nothing.
 * @throws FormatError (code `checkpoint-damaged`) for that of another run
 */
export const requireRun = (path: string, state: RunState, run: string | undefined): void => {
  if (run === undefined || state.run === undefined || state.run === run) return;
  throw damagedCheckpoint(path, STATE_FILE, {
    detail: `expected a checkpoint of the run that its folder is of (${run}), got one of another run (${state.run})`,
  });
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isCounts = (value: unknown): boolean => isRecord(value) && Object.values(value).every(isCount);
const isDigest = (value: unknown): boolean =>
  isRecord(value) && isCount(value['bytes']) && /^[0-9a-f]{64}$/u.test(String(value['sha256']));

const isBase = (value: unknown): boolean =>
  isRecord(value) &&
  typeof value['path'] === 'string' &&
  value['path'] !== '' &&
  /^[0-9a-f]{64}$/u.test(String(value['sha256']));

const isNumberOrAbsent = (value: unknown): boolean => value === undefined || Number.isFinite(value);
const isBest = (value: unknown, last: unknown): boolean =>
  isRecord(value) &&
  typeof value['name'] === 'string' &&
  (value['better'] === 'higher' || value['better'] === 'lower') &&
  isCount(value['stale']) &&
  isNumberOrAbsent(value['reference']) &&
  isNumberOrAbsent(value['value']) &&
  (value['value'] === undefined) === (value['step'] === undefined) &&
  (value['step'] === undefined || (isCount(value['step']) && value['step'] <= Number(last)));

const checkFields = (state: Readonly<Record<string, unknown>>, refuse: (detail: string) => never): void => {
  const { version, step, samples, tokens, cursors, seed, data, run, base, best, files } = state;
  if (![step, samples, tokens].every(isCount) || !isCounts(cursors)) {
    refuse('expected whole numbers of at least 0 for step, samples, tokens and each cursor');
  }
  if (typeof seed !== 'number' || !Number.isFinite(seed)) refuse(`expected a seed, got ${excerpt(seed)}`);
  if (data !== undefined && !(isRecord(data) && Object.values(data).every((id) => typeof id === 'string'))) {
    refuse(`expected data as texts by source, got ${excerpt(data)}`);
  }
  if (run !== undefined && typeof run !== 'string') refuse(`expected a run as a text, got ${excerpt(run)}`);
  if (version === BASED_STATE_VERSION ? !isBase(base) : base !== undefined) {
    refuse(
      `expected a base with path and SHA-256 in version ${BASED_STATE_VERSION} alone, got ${excerpt(base)}`,
    );
  }
  if (best !== undefined && !isBest(best, step)) {
    refuse(`expected the best validation with name, value and step, got ${excerpt(best)}`);
  }
  if (files !== undefined && !(isRecord(files) && Object.values(files).every(isDigest))) {
    refuse(`expected bytes and sha256 of each file, got ${excerpt(files)}`);
  }
  const outside = Object.keys(isRecord(files) ? files : {}).find((name) => /[/\\]|^\.{0,2}$/u.test(name));
  if (outside !== undefined) refuse(`expected files of the folder, got ${excerpt(outside)}`);
};

const parseState = (text: string, folder: string): RunState => {
  const refuse = (detail: string, cause?: unknown): never => {
    throw damagedCheckpoint(folder, STATE_FILE, { detail, ...(cause === undefined ? {} : { cause }) });
  };
  let value: unknown;
  try {
    value = parseJson(text, STATE_FILE);
  } catch (cause) {
    return refuse(`expected JSON, got ${excerpt(text)}`, cause);
  }
  if (!isRecord(value)) return refuse(`expected an object, got ${excerpt(value)}`);
  const { version, sha256: _, ...state } = value;
  if (version !== 1 && version !== STATE_VERSION && version !== BASED_STATE_VERSION) {
    return refuse(`expected a state of version 1 to ${BASED_STATE_VERSION}, got ${excerpt(version)}`);
  }
  const seal = sealOf(text);
  // A changed version must not switch the checks off: what carries hashes is checked by them.
  const isSealed = version !== 1 || value['files'] !== undefined || value['sha256'] !== undefined;
  if (isSealed && (seal !== 'intact' || version === 1)) {
    return refuse('expected the SHA-256 of itself at its end, got another content or none');
  }
  checkFields({ version, ...state }, refuse);
  if (isSealed && state['files'] === undefined) return refuse('expected a list of files, got none');
  return { version, ...state } as unknown as RunState;
};

/** Text of state.json. */
export const formatState = (state: RunState): string => sealJson(state);

/**
 * The state of a checkpoint, without its tensors.
 * @throws FormatError (code `checkpoint-damaged`) when it is damaged or of another step than its folder; StateError
 * when it is unreadable
 */
export const readState = async (checkpoint: CheckpointPlace): Promise<RunState> => {
  const path = join(checkpoint.path, STATE_FILE);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    const code = (cause as NodeJS.ErrnoException | null)?.code ?? '';
    throw new StateError(
      `checkpoint: expected a readable ${path}, got ${code}; restore it from a copy, use another checkpoint (--checkpoint step-N), or resume from the last good one (--resume last-good)`,
      { code: 'checkpoint-unreadable', fields: { path }, cause },
    );
  });
  const state = parseState(text, checkpoint.path);
  const named = STEP_NAME.exec(basename(checkpoint.path))?.[1];
  if (named !== undefined && Number(named) !== state.step) {
    throw damagedCheckpoint(checkpoint.path, STATE_FILE, {
      detail: `expected step ${Number(named)}, which the folder's name says, got ${state.step}`,
    });
  }
  return state;
};

/**
 * Compares files of a checkpoint with sizes and hashes of its state; those of version 1 have none.
 * @param names the files that matter. @default all
 * @throws FormatError (code `checkpoint-damaged`) naming folder, file and reason
 */
export const verifyFiles = async (
  checkpoint: CheckpointPlace,
  state: RunState,
  names?: readonly string[],
): Promise<void> => {
  for (const [name, expected] of Object.entries(state.files ?? {})) {
    if (names && !names.includes(name)) continue;
    const path = join(checkpoint.path, name);
    const refuse = (detail: string): FormatError => damagedCheckpoint(checkpoint.path, name, { detail });
    const stats = await stat(path).catch(() => undefined);
    if (!stats?.isFile()) throw refuse(`expected a file of ${expected.bytes} bytes, got none`);
    if (stats.size !== expected.bytes) throw refuse(`expected ${expected.bytes} bytes, got ${stats.size}`);
    const sha256 = await sha256File(path);
    if (sha256 !== expected.sha256) throw refuse(`expected SHA-256 ${expected.sha256}, got ${sha256}`);
  }
};
