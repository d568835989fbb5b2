/**
 * Patches of a grid of one channel, row after row: `[H, W]` becomes tokens of `[P, Q]`. Where training has gaps, a token
 * also says for each number whether it was observed. Patches at the ends may lie partly outside.
 *
 * H rows · W columns · P x Q patch
 */
import { scaled, type Scale, type TokenLayout } from './token-layout.ts';

/** What grids look like. */
export interface GridShape {
  /** W */
  readonly across: number;
  /** P and Q */
  readonly patch: readonly [rows: number, columns: number];
  readonly scale: Scale;
  readonly gaps: boolean;
}

/** The layout of patches. Rows may be more in one sample than in another, as those of a longer recording are. */
export const gridLayout = ({ across, patch: [high, wide], scale, gaps }: GridShape): TokenLayout => {
  const values = high * wide;
  const columns = Math.ceil(across / wide);
  return {
    width: gaps ? 2 * values : values,
    columns,
    count: (numbers) => (numbers % across === 0 ? Math.ceil(numbers / across / high) * columns : undefined),
    write(numbers, token, out) {
      const [top, left] = [Math.floor(token / columns) * high, (token % columns) * wide];
      let observed = false;
      for (let i = 0; i < values; i += 1) {
        const [row, column] = [top + Math.floor(i / wide), left + (i % wide)];
        const value = column < across ? scaled(numbers[row * across + column], scale) : undefined;
        out[i] = value ?? 0;
        if (gaps) out[values + i] = value === undefined ? 0 : 1;
        observed ||= value !== undefined;
      }
      return observed;
    },
  };
};
