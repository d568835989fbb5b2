/**
 * Learning rates over a run.
 *
 * A schedule maps the index of an update (0 is the first) to its learning rate, and is pure: a resumed run asks for
 * the same indices and gets the same rates. Warm-up is linear and ends with its last update at the full rate; the
 * first update already moves (rate base / warmup, not 0). Half a cosine follows, whose last update has the minimum
 * rate (paper section 5: warm-up, cosine to 1e-6).
 */
import { ConfigError, toSteps, type Duration, type DurationContext } from '@polygate/core';

/** Learning rate of the update with this index, counted from 0. */
export type Schedule = (step: number) => number;

/** Settings of {@link warmupCosine}. */
export interface WarmupCosineOptions {
  /** Highest learning rate, above 0. */
  readonly base: number;
  /** Learning rate of the last update and of all after it. @default 0 */
  readonly minimum?: number;
  /** Length of the warm-up; a number means steps, percent is of `total`. @default 0 */
  readonly warmup?: Duration | number;
  /** Length of the run; a number means steps. */
  readonly total: Duration | number;
  /** What epochs and samples are measured against. */
  readonly context?: DurationContext;
}

/** Settings of {@link constant}. */
export interface ConstantOptions {
  /** Learning rate, above 0. */
  readonly base: number;
  /** Length of a linear warm-up; a number means steps. @default 0 */
  readonly warmup?: Duration | number;
  readonly context?: DurationContext;
}

const checkNumber = (schedule: string, name: string, value: number, lowest: number): void => {
  if (!Number.isFinite(value) || value < lowest) {
    throw new ConfigError(`${schedule}: expected ${name} to be a number of at least ${lowest}, got ${value}`);
  }
};

const stepsOf = (
  [schedule, name]: readonly [string, string],
  duration: Duration | number | undefined,
  context: DurationContext,
): number => {
  if (typeof duration === 'object') return toSteps(duration, context);
  checkNumber(schedule, name, duration ?? 0, 0);
  return Math.ceil(duration ?? 0);
};

/** Linear warm-up to `base`, then half a cosine down to `minimum`. @throws ConfigError for settings that don't fit */
export const warmupCosine = (options: WarmupCosineOptions): Schedule => {
  const { base, minimum = 0, context = {} } = options;
  const total = stepsOf(['warmupCosine', 'total'], options.total, context);
  const warmup = stepsOf(['warmupCosine', 'warmup'], options.warmup, { totalSteps: total, ...context });
  checkNumber('warmupCosine', 'base', base, 0);
  checkNumber('warmupCosine', 'minimum', minimum, 0);
  if (minimum > base) {
    throw new ConfigError(`warmupCosine: expected minimum at most base (${base}), got ${minimum}; swap them`);
  }
  if (total < 1 || warmup > total) {
    throw new ConfigError(
      `warmupCosine: expected at least one step and a warm-up no longer than the run, got warm-up ${warmup} of ${total} steps; shorten the warm-up or state it in percent`,
    );
  }
  return (step) => {
    const done = step + 1;
    if (done <= warmup) return (base * done) / warmup;
    const progress = Math.min(1, (done - warmup) / (total - warmup));
    return minimum + (base - minimum) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
};

/** One learning rate for the whole run, after an optional linear warm-up. */
export const constant = (options: ConstantOptions): Schedule => {
  const { base, context = {} } = options;
  checkNumber('constant', 'base', base, 0);
  const warmup = stepsOf(['constant', 'warmup'], options.warmup, context);
  return (step) => (step + 1 < warmup ? (base * (step + 1)) / warmup : base);
};
