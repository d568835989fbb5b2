/**
 * The best validation so far, and how long ago it was: which checkpoint is kept beside the last ones, and when a run
 * that no longer improves ends. All of it is in the checkpoint, so that a resumed run keeps and ends as one never stopped.
 */
import { ConfigError } from '@polygate/core';

/** The score that decides which checkpoint is the best. */
export interface BestOptions {
  /** Stands in the state; another name starts the search anew. */
  readonly name: string;
  readonly better: 'higher' | 'lower';
  /** The score of a validation; undefined or NaN counts as no improvement. */
  readonly score: (values: Readonly<Record<string, number>>) => number | undefined;
  /** Validations in a row without an improvement after which the run ends. @default never ends early */
  readonly patience?: number;
  /** Least change that patience counts as an improvement. @default 0 */
  readonly minimumDelta?: number;
}

/** What a checkpoint holds of it. */
export interface BestState {
  readonly name: string;
  readonly better: 'higher' | 'lower';
  /** Best value so far, and the step whose checkpoint has it. Absent before the first finite score. */
  readonly value?: number;
  readonly step?: number;
  /** Value that the next improvement is measured from. */
  readonly reference?: number;
  /** Validations since then. */
  readonly stale: number;
}

/** The search, as a run goes on. */
export interface BestSearch {
  readonly state: BestState;
  /** Whether the patience is used up. */
  readonly isExhausted: boolean;
  /** Takes a validation in. @returns whether it is the best so far */
  take(step: number, values: Readonly<Record<string, number>>): boolean;
}

/**
 * @param stored state of a checkpoint; one of another score is left aside
 * @throws ConfigError for a patience or least change that can't be used
 */
export const searchBest = (options: BestOptions, stored?: BestState): BestSearch => {
  const { name, better, patience, minimumDelta = 0 } = options;
  if (patience !== undefined && !(Number.isSafeInteger(patience) && patience >= 1)) {
    throw new ConfigError(
      `train: expected a patience of at least 1 validation, got ${patience}; leave it out to train to the end`,
    );
  }
  if (!(minimumDelta >= 0 && minimumDelta < Infinity)) {
    throw new ConfigError(`train: expected a minimumDelta of at least 0, got ${minimumDelta}`);
  }
  const beats = (value: number, other: number | undefined, delta = 0): boolean =>
    other === undefined || (better === 'higher' ? value > other + delta : value < other - delta);
  let state: BestState =
    stored?.name === name && stored.better === better ? stored : { name, better, stale: 0 };
  return {
    get state() {
      return state;
    },
    get isExhausted() {
      return patience !== undefined && state.stale >= patience;
    },
    take(step, values) {
      const value = options.score(values);
      if (value === undefined || !Number.isFinite(value)) {
        state = { ...state, stale: state.stale + 1 };
        return false;
      }
      const isBest = beats(value, state.value);
      const isProgress = beats(value, state.reference, minimumDelta);
      state = {
        ...state,
        ...(isBest ? { value, step } : {}),
        ...(isProgress ? { reference: value, stale: 0 } : { stale: state.stale + 1 }),
      };
      return isBest;
    },
  };
};
