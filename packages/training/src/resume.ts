/**
 * Where a run begins: afresh, at its latest checkpoint, or at the last one that is not damaged.
 */
import {
  ConfigError,
  PolygateError,
  silentLogger,
  StateError,
  unknownName,
  type Logger,
} from '@polygate/core';
import { makeFolder, writeError } from '@polygate/core/node';
import { basename, join } from 'node:path';
import { damagedCheckpoint, readState, requireRun, STATE_FILE, STATE_VERSION } from './checkpoint-state.ts';
import type { CheckpointPlace, RunState } from './checkpoint-state.ts';
import {
  clearLeftovers,
  latestCheckpoint,
  listCheckpoints,
  readCheckpoint,
  removeSurplus,
  setAside,
} from './checkpoint.ts';
import { METRICS_FILE, truncateMetrics } from './metrics-file.ts';
import { resumeModes, type TrainOptions } from './run-options.ts';

/** A run's beginning: its state, and the checkpoint that it is from. */
export interface Beginning {
  readonly state: RunState;
  readonly checkpoint: CheckpointPlace | undefined;
}

/** The state before the first update. */
export const freshState = (seed: number): RunState => ({
  version: STATE_VERSION,
  step: 0,
  seed,
  cursors: {},
  samples: 0,
  tokens: 0,
});

/** What each source's data are known by, for those that say it. */
export const dataOf = (
  sources: readonly { readonly name: string; readonly data?: string }[],
): Readonly<Record<string, string>> =>
  Object.fromEntries(sources.flatMap(({ name, data }) => (data === undefined ? [] : [[name, data]])));

/** @throws StateError or ConfigError for a checkpoint of another run, or of one on other data */
const checkFits = <Batch>(stored: RunState, options: TrainOptions<Batch>): void => {
  const { runDirectory, seed, steps, sources, base } = options;
  if (stored.seed !== seed) {
    throw new StateError(
      `train: expected the run's seed ${stored.seed} at ${runDirectory}, got ${seed}; resume with that seed or choose another folder`,
      { code: 'seed-differs', fields: { expected: stored.seed, got: seed } },
    );
  }
  if (stored.step > steps) {
    throw new ConfigError(
      `train: expected at least the ${stored.step} steps that the run at ${runDirectory} has made, got ${steps}; raise steps or choose another folder`,
      { fields: { made: stored.step, steps } },
    );
  }
  if (stored.base?.sha256 !== base?.sha256) {
    const words = (of: typeof base): string => (of ? `the base with SHA-256 ${of.sha256}` : 'no base');
    throw new StateError(
      `train: expected ${words(stored.base)}, which the run at ${runDirectory} began on, got ${words(base)}; resume with that one or choose another folder`,
      { code: 'base-differs', fields: { expected: stored.base?.sha256, got: base?.sha256 } },
    );
  }
  const before = new Map(Object.entries(stored.data ?? {}));
  const changed = Object.entries(dataOf(sources)).filter(
    ([name, data]) => before.has(name) && before.get(name) !== data,
  );
  if (changed.length > 0) {
    const names = changed.map(([name]) => `"${name}"`).join(', ');
    throw new StateError(
      `train: expected the data that the run at ${runDirectory} began with, got other rows for ${names}; prepare the suite as it was then (same files, same settings), or start a run in another folder on the new data`,
      { code: 'data-differs', fields: { runDirectory, sources: changed.map(([name]) => name) } },
    );
  }
};

/** Loads one checkpoint. */
const open = async <Batch>(options: TrainOptions<Batch>, checkpoint: CheckpointPlace): Promise<RunState> => {
  const stored = await readState(checkpoint);
  requireRun(checkpoint.path, stored, options.run);
  checkFits(stored, options);
  const state = await readCheckpoint(options, checkpoint);
  const taken = Object.values(state.cursors).reduce((sum, cursor) => sum + cursor, 0);
  if (taken < state.step) {
    throw damagedCheckpoint(checkpoint.path, STATE_FILE, {
      detail: `expected cursors of at least ${state.step} batches in all, one for each step, got ${taken}`,
    });
  }
  return state;
};

const isDamage = (cause: unknown): cause is PolygateError =>
  cause instanceof PolygateError && ['checkpoint-damaged', 'checkpoint-unreadable'].includes(cause.code);

/** The newest checkpoint that is whole; newer ones are set aside. */
const openLastGood = async <Batch>(
  options: TrainOptions<Batch>,
  latest: CheckpointPlace,
): Promise<Beginning> => {
  const { runDirectory, logger = silentLogger } = options;
  const others = (await listCheckpoints(runDirectory)).filter(({ path }) => path !== latest.path);
  const damaged: CheckpointPlace[] = [];
  let last: PolygateError | undefined;
  for (const candidate of [latest, ...others.toReversed()]) {
    try {
      const state = await open(options, candidate);
      if (damaged.length > 0) {
        const paths = await setAside(runDirectory, damaged, candidate);
        logger.warn(
          `going back to ${basename(candidate.path)}; damaged checkpoints are kept as ${paths.join(', ')}`,
        );
      }
      return { state, checkpoint: candidate };
    } catch (cause) {
      if (!isDamage(cause)) throw cause;
      logger.warn(cause.message);
      damaged.push(candidate);
      last = cause;
    }
  }
  throw new StateError(
    `train: expected a good checkpoint in ${runDirectory}, got ${damaged.length}, all of them damaged (${damaged.map(({ path }) => basename(path)).join(', ')}); restore one from a copy or start a new run in another folder`,
    { code: 'no-good-checkpoint', fields: { runDirectory }, cause: last },
  );
};

/** Cuts the metrics back to a step, and warns of what is damaged or gone: weights go on without it, figures do not. */
const cutMetrics = async (runDirectory: string, step: number, logger: Logger): Promise<void> => {
  const path = join(runDirectory, METRICS_FILE);
  const { damaged, lastStep } = await truncateMetrics(path, step);
  const [first] = damaged;
  if (first !== undefined) {
    const more = damaged.length > 1 ? ` and ${damaged.length - 1} more lines` : '';
    logger.warn(
      `${path}:${first}${more}: expected records of the run, got damaged lines; they stay, and figures leave them out`,
    );
  }
  if (lastStep < step) {
    logger.warn(
      `${path}: expected records up to step ${step}, got ${lastStep === 0 ? 'none' : `those up to step ${lastStep}`}; the run goes on, and figures lack those steps: restore the file from a copy if there is one`,
    );
  }
};

/**
 * Loads the checkpoint that the options ask for, if there is one, and cuts the metrics back to it.
 * @throws FormatError (code `checkpoint-damaged`) for a damaged one; StateError for a run of another seed or on other
 * data; ConfigError for an unknown way to resume
 */
export const restore = async <Batch>(options: TrainOptions<Batch>): Promise<Beginning> => {
  const { runDirectory, seed, resume = 'auto', logger = silentLogger } = options;
  if (!resumeModes.includes(resume)) throw unknownName('way to resume', String(resume), resumeModes);
  // Before anything is computed: a folder that can't be written should not be found out at the first checkpoint.
  await makeFolder(runDirectory).catch((cause: unknown) => {
    throw writeError(runDirectory, cause);
  });
  await clearLeftovers(runDirectory);
  const latest = await latestCheckpoint(runDirectory);
  if (latest && resume === 'never') {
    throw new StateError(
      `train: expected a new run at ${runDirectory}, got one with a checkpoint of step ${latest.step}; resume it or choose another folder`,
      { code: 'run-exists', fields: { runDirectory, step: latest.step } },
    );
  }
  if (!latest && (resume === 'must' || resume === 'last-good')) {
    throw new StateError(
      `train: expected a checkpoint in ${runDirectory} to resume from, got none; check the folder or start a new run`,
      { code: 'run-missing', fields: { runDirectory } },
    );
  }
  let beginning: Beginning = { state: freshState(seed), checkpoint: undefined };
  if (latest) {
    beginning =
      resume === 'last-good'
        ? await openLastGood(options, latest)
        : { state: await open(options, latest), checkpoint: latest };
    const { extra } = beginning.state;
    if (extra !== undefined) options.extraState?.restore(extra);
    await removeSurplus(runDirectory, beginning.state, options.keepLast);
  }
  await cutMetrics(runDirectory, beginning.state.step, logger);
  return beginning;
};

/**
 * As {@link restore} of the process that writes has left it: of a run on many processes, the others read the same
 * checkpoint and change nothing.
 */
export const follow = async <Batch>(options: TrainOptions<Batch>): Promise<Beginning> => {
  const latest = await latestCheckpoint(options.runDirectory);
  if (!latest) return { state: freshState(options.seed), checkpoint: undefined };
  const state = await open(options, latest);
  if (state.extra !== undefined) options.extraState?.restore(state.extra);
  return { state, checkpoint: latest };
};
