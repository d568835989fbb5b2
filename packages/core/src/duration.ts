import { ConfigError } from './errors.ts';
import { excerpt } from './json.ts';

/** How long something lasts, in one of the units that training knows. */
export interface Duration {
  readonly unit: 'steps' | 'epochs' | 'samples' | 'percent';
  readonly value: number;
}

/** What a duration is measured against. */
export interface DurationContext {
  /** Samples in one optimizer step. */
  readonly batchSize?: number;
  /** Samples in one epoch. */
  readonly epochSamples?: number;
  /** Steps of the whole run, for `percent`. */
  readonly totalSteps?: number;
}

/** Longest duration: a step a millisecond for thirty years. */
const MAX_DURATION = 1e12;

const pattern = /^(\d+(?:\.\d+)?(?:e\d+)?)\s*(steps?|epochs?|samples?|%|percent)?$/u;

/**
 * Parses `"5000 steps"`, `"3 epochs"`, `"1e6 samples"` or `"5%"`; a whole number without a unit is a number of steps.
 * @throws ConfigError
 */
export const parseDuration = (duration: string | number): Duration => {
  const text = String(duration);
  const match = pattern.exec(text.trim().toLowerCase());
  const word = match?.[2] ?? 'steps';
  // A part without a unit may be meant as a share of the run: it isn't guessed.
  if (!match || (match[2] === undefined && !Number.isInteger(Number(match[1])))) {
    throw new ConfigError(
      `duration: expected whole steps such as 5000, or a number with a unit such as "5000 steps", "3 epochs", "1e6 samples" or "5%", got ${excerpt(text)}`,
      { fields: { got: text } },
    );
  }
  const unit =
    word === '%' || word === 'percent'
      ? 'percent'
      : ((word.endsWith('s') ? word : `${word}s`) as Duration['unit']);
  const value = Number(match[1]);
  const most = unit === 'percent' ? 100 : MAX_DURATION;
  if (value > most) {
    throw new ConfigError(
      `duration: expected at most ${most}${unit === 'percent' ? '%' : ` ${unit}`}, got ${excerpt(text)}`,
      {
        fields: { got: text, most },
      },
    );
  }
  return { unit, value };
};

const need = (value: number | undefined, name: string, duration: Duration): number => {
  if (value === undefined || !(value > 0)) {
    throw new ConfigError(
      `duration: "${formatDuration(duration)}" needs a positive ${name} to be turned into steps; give it or state the duration in steps`,
    );
  }
  return value;
};

/**
 * Whole optimizer steps of a duration, rounded up.
 * @throws ConfigError when the context lacks what the unit needs, and for more than 1e12 steps
 */
export const toSteps = (duration: Duration, context: DurationContext = {}): number => {
  const steps = countSteps(duration, context);
  if (steps <= MAX_DURATION) return steps;
  throw new ConfigError(
    `duration: expected at most ${MAX_DURATION} steps, got ${steps} for "${formatDuration(duration)}"; state it in steps`,
    { fields: { steps } },
  );
};

const countSteps = (duration: Duration, context: DurationContext): number => {
  switch (duration.unit) {
    case 'steps':
      return Math.ceil(duration.value);
    case 'samples':
      return Math.ceil(duration.value / need(context.batchSize, 'batchSize', duration));
    case 'epochs':
      return Math.ceil(
        (duration.value * need(context.epochSamples, 'epochSamples', duration)) /
          need(context.batchSize, 'batchSize', duration),
      );
    case 'percent':
      return Math.ceil((duration.value / 100) * need(context.totalSteps, 'totalSteps', duration));
    default:
      return duration.unit satisfies never;
  }
};

/** The text that {@link parseDuration} reads back. */
export const formatDuration = (duration: Duration): string =>
  duration.unit === 'percent' ? `${duration.value}%` : `${duration.value} ${duration.unit}`;
