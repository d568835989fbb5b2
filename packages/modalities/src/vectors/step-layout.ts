/**
 * Steps with features, several steps a token: `[T, F]` becomes tokens of `[P, F]`. Where training has gaps, a token also
 * says for each number whether it was observed: `[P, F]` values, then `[P, F]` flags.
 *
 * T steps · F features · P steps of a token
 */
import { scaled, type Scale, type TokenLayout } from './token-layout.ts';

/** What steps look like. */
export interface StepShape {
  /** F */
  readonly features: number;
  /** P */
  readonly patch: number;
  /** By feature, or one for all. */
  readonly scales: readonly Scale[];
  readonly gaps: boolean;
}

/** The layout of steps. The last token of a sample may have fewer steps than others; what is missing counts as a gap. */
export const stepLayout = ({ features, patch, scales, gaps }: StepShape): TokenLayout => {
  const values = patch * features;
  return {
    width: gaps ? 2 * values : values,
    columns: 0,
    count: (numbers) => (numbers % features === 0 ? Math.ceil(numbers / values) : undefined),
    write(numbers, token, out) {
      let observed = false;
      for (let i = 0; i < values; i += 1) {
        const scale = scales[(i % features) % scales.length] as Scale;
        const value = scaled(numbers[token * values + i], scale);
        out[i] = value ?? 0;
        if (gaps) out[values + i] = value === undefined ? 0 : 1;
        observed ||= value !== undefined;
      }
      return observed;
    },
  };
};
