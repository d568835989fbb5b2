/**
 * The mean relative gain of a model of several tasks over a base (SM^4, section 4; Maninis et al. 2019):
 *   Delta = mean over tasks of s_i (M_i - B_i) / B_i,  s_i = 1 where more is better, -1 where less is.
 * The paper prints the signs the other way round; its own numbers follow from these.
 */
import { ConfigError } from '@polygate/core';

/** A task's score of the model and of the base. */
export interface GainedScore {
  readonly model: number;
  /** Not 0. */
  readonly base: number;
  readonly better: 'higher' | 'lower';
}

/** Delta as a share: 0.2 is 20 percent. @throws ConfigError for no task, or a base of 0 */
export const multitaskGain = (scores: readonly GainedScore[]): number => {
  if (scores.length === 0 || scores.some(({ base }) => base === 0)) {
    throw new ConfigError(
      `multitaskGain: expected one task or more with bases other than 0, got ${scores.length} of bases ${scores.map(({ base }) => base).join(', ')}`,
    );
  }
  const gains = scores.map(
    ({ model, base, better }) => ((better === 'higher' ? 1 : -1) * (model - base)) / Math.abs(base),
  );
  return gains.reduce((sum, gain) => sum + gain, 0) / gains.length;
};

/** The share of a base's operations that a model saves. @throws ConfigError for a base without any */
export const computeSaving = (model: number, base: number): number => {
  if (!(base > 0))
    throw new ConfigError(`computeSaving: expected operations above 0 of the base, got ${base}`);
  return 1 - model / base;
};
