/** From values to places on a page. */
import { ConfigError } from '@polygate/core';
import { formatNumber, formatTicks, linearTicks, logTicks, niceRange } from './ticks.ts';

export type ScaleKind = 'linear' | 'log';

/** A scale: call `at` with a value, get a place. */
export interface Scale {
  readonly kind: ScaleKind;
  readonly domain: readonly [low: number, high: number];
  /** Place of a value; NaN for one that a logarithm has no place for. */
  at(value: number): number;
  readonly ticks: readonly number[];
  /** The ticks as text. */
  readonly labels: readonly string[];
}

export interface ScaleOptions {
  readonly kind?: ScaleKind;
  /** Places of the two ends of the domain. */
  readonly range: readonly [from: number, to: number];
  /** About how many ticks. @default 5 */
  readonly tickCount?: number;
  /** Widens the domain to the next ticks. @default false */
  readonly nice?: boolean;
}

const spread = (low: number, high: number, kind: ScaleKind): readonly [number, number] => {
  if (high > low) return [low, high];
  if (kind === 'log') return [low / 2, low * 2];
  const room = low === 0 ? 1 : Math.abs(low) / 2;
  return [low - room, low + room];
};

/**
 * A scale over the finite values given; on a log scale over the positive ones.
 * @throws ConfigError when there is no such value
 */
export const createScale = (values: Iterable<number>, options: ScaleOptions): Scale => {
  const { kind = 'linear', range, tickCount = 5, nice = false } = options;
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value) || (kind === 'log' && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) {
    throw new ConfigError(
      `scale: expected at least one ${kind === 'log' ? 'positive' : 'finite'} value, got none; leave an empty chart out`,
    );
  }
  const room = spread(low, high, kind);
  const round = nice && kind === 'linear' ? niceRange(...room, tickCount) : undefined;
  const domain = round?.domain ?? room;
  const ticks = round?.ticks ?? (kind === 'log' ? logTicks(...domain) : linearTicks(...domain, tickCount));
  const measure = kind === 'log' ? Math.log : (value: number): number => value;
  const start = measure(domain[0]);
  const length = measure(domain[1]) - start;
  return {
    kind,
    domain,
    at: (value) =>
      kind === 'log' && value <= 0
        ? NaN
        : range[0] + ((measure(value) - start) / length) * (range[1] - range[0]),
    ticks,
    labels: kind === 'log' ? ticks.map(formatNumber) : formatTicks(ticks),
  };
};
