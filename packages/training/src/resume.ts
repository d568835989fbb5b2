/**
 * Where a run begins: afresh, or at its latest checkpoint.
 */
import { ConfigError, StateError, writeError } from '@polygate/core';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  clearLeftovers,
  latestCheckpoint,
  readCheckpoint,
  readState,
  STATE_VERSION,
  type CheckpointPlace,
  type RunState,
} from './checkpoint.ts';
import { METRICS_FILE, truncateMetrics } from './metrics-file.ts';
import type { TrainOptions } from './run-options.ts';

/** The state before the first update. */
export const freshState = (seed: number): RunState => ({
  version: STATE_VERSION,
  step: 0,
  seed,
  cursors: {},
  samples: 0,
  tokens: 0,
});

/** Loads the latest checkpoint, if there is one and the options allow it, and cuts the metrics back to it. */
export const restore = async <Batch>(
  options: TrainOptions<Batch>,
): Promise<{ readonly state: RunState; readonly place: CheckpointPlace | undefined }> => {
  const { runDirectory, seed, resume = 'auto' } = options;
  // Before anything is computed: a folder that can't be written should not be found out at the first checkpoint.
  await mkdir(runDirectory, { recursive: true }).catch((cause: unknown) => {
    throw writeError(runDirectory, cause);
  });
  await clearLeftovers(runDirectory);
  const place = await latestCheckpoint(runDirectory);
  if (place && resume === 'never') {
    throw new StateError(
      `train: expected a new run at ${runDirectory}, got one with a checkpoint of step ${place.step}; resume it or choose another folder`,
      { code: 'run-exists', fields: { runDirectory, step: place.step } },
    );
  }
  if (!place && resume === 'must') {
    throw new StateError(
      `train: expected a checkpoint in ${runDirectory} to resume from, got none; check the folder or start a new run`,
      { code: 'run-missing', fields: { runDirectory } },
    );
  }
  let state = freshState(seed);
  if (place) {
    const stored = await readState(place);
    if (stored.seed !== seed) {
      throw new StateError(
        `train: expected the run's seed ${stored.seed} at ${runDirectory}, got ${seed}; resume with that seed or choose another folder`,
        { code: 'seed-differs', fields: { expected: stored.seed, got: seed } },
      );
    }
    if (stored.step > options.steps) {
      throw new ConfigError(
        `train: expected at least the ${stored.step} steps that the run at ${runDirectory} has made, got ${options.steps}; raise steps or choose another folder`,
        { fields: { made: stored.step, steps: options.steps } },
      );
    }
    state = await readCheckpoint(options, place);
    if (state.extra !== undefined) options.extraState?.restore(state.extra);
  }
  await truncateMetrics(join(runDirectory, METRICS_FILE), state.step);
  return { state, place };
};
