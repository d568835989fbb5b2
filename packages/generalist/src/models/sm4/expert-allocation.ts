/**
 * Adaptive expert allocation (SM^4, section 3.2, algorithm 3): how many experts the tokens of a modality choose. It starts
 * at one; after every epoch it looks at the validation loss L of the modality:
 *   closed                        nothing, k stays to the end
 *   L < best                      best = L, improved
 *   L >= best, improved           k = k + 1, not improved: is another expert of use?
 *   L >= best, not improved       k = k - 1, closed: it was not
 * Departs from the paper in options alone: evaluations without improvement that are waited for (patience 1 there), the least
 * improvement (0), an average of the losses (none), and a bound on k, at which it closes.
 */
import { ConfigError } from '@polygate/core';

/** How k follows the losses. */
export interface AllocationRule {
  /** Evaluations without improvement after which k changes. */
  readonly patience: number;
  /** Least fall of the loss that is an improvement. */
  readonly minimumDelta: number;
  /** Share of the earlier average in the loss that is looked at, 0 to below 1. */
  readonly smoothing: number;
  /** Largest k. */
  readonly most: number;
}

/** What is known of a modality; JSON. */
export interface Allocation {
  /** Experts that a token chooses. */
  readonly k: number;
  /** Least loss so far; null before the first. */
  readonly best: number | null;
  /** Whether the loss improved since k changed. */
  readonly improved: boolean;
  /** Whether k may still change. */
  readonly open: boolean;
  /** Evaluations in a row without improvement. */
  readonly stale: number;
  /** Average of the losses; null before the first. */
  readonly average: number | null;
}

/** Before the first epoch. @param k experts to begin with */
export const startAllocation = (k = 1): Allocation => ({
  k,
  best: null,
  improved: true,
  open: true,
  stale: 0,
  average: null,
});

/**
 * One evaluation. A loss that is not finite says nothing and changes nothing.
 * @throws ConfigError for a rule that can't be
 */
export const allocate = (state: Allocation, loss: number, rule: AllocationRule): Allocation => {
  const { patience, minimumDelta, smoothing, most } = rule;
  if (!(patience >= 1 && minimumDelta >= 0 && smoothing >= 0 && smoothing < 1 && most >= 1)) {
    throw new ConfigError(
      `allocation: expected patience of at least 1, minimumDelta of at least 0, smoothing in [0, 1) and 1 expert or more, got ${patience}, ${minimumDelta}, ${smoothing} and ${most}`,
      { fields: { ...rule } },
    );
  }
  if (!state.open || !Number.isFinite(loss)) return state;
  const average = state.average === null ? loss : smoothing * state.average + (1 - smoothing) * loss;
  if (state.best === null || average < state.best - minimumDelta) {
    return { ...state, average, best: average, improved: true, stale: 0 };
  }
  const stale = state.stale + 1;
  if (stale < patience) return { ...state, average, stale };
  if (!state.improved) return { ...state, average, k: Math.max(1, state.k - 1), open: false, stale: 0 };
  return state.k < most
    ? { ...state, average, k: state.k + 1, improved: false, stale: 0 }
    : { ...state, average, open: false, stale: 0 };
};
