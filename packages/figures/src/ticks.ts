/** Round numbers for axes, and numbers as people write them. */

/** Steps of an axis are 1, 2 or 5 times a power of ten. */
const roundStep = (rough: number): number => {
  const power = 10 ** Math.floor(Math.log10(rough));
  const share = rough / power;
  return (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10) * power;
};

/** Multiples of a step within [low, high]. */
const multiples = (low: number, high: number, step: number): readonly number[] => {
  const ticks: number[] = [];
  const last = Math.floor(high / step + 1e-9);
  for (let k = Math.ceil(low / step - 1e-9); k <= last; k += 1)
    ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
};

/** Round values within [low, high], about `count` of them and at most twice as many; one value for an empty range. */
export const linearTicks = (low: number, high: number, count = 5): readonly number[] => {
  if (!(high > low)) return Number.isFinite(low) ? [low] : [];
  return multiples(low, high, roundStep((high - low) / Math.max(1, count)));
};

/** The range widened to round values, and those values. */
export const niceRange = (
  low: number,
  high: number,
  count = 5,
): { readonly domain: readonly [low: number, high: number]; readonly ticks: readonly number[] } => {
  const step = roundStep((high - low) / Math.max(1, count));
  const domain = [
    Number((Math.floor(low / step + 1e-9) * step).toPrecision(12)),
    Number((Math.ceil(high / step - 1e-9) * step).toPrecision(12)),
  ] as const;
  return { domain, ticks: multiples(...domain, step) };
};

/**
 * Values for a logarithmic axis: powers of ten, with 2 and 5 between them where fewer than three would show; plain
 * round values where the range lies within a factor of two.
 */
export const logTicks = (low: number, high: number): readonly number[] => {
  if (!(low > 0) || !(high > low)) return low > 0 ? [low] : [];
  const from = Math.floor(Math.log10(low) + 1e-9);
  const to = Math.ceil(Math.log10(high) - 1e-9);
  const within = (factors: readonly number[]): number[] => {
    const ticks: number[] = [];
    for (let power = from; power <= to; power += 1) {
      for (const factor of factors) {
        const tick = Number((factor * 10 ** power).toPrecision(12));
        if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push(tick);
      }
    }
    return ticks;
  };
  const decades = within([1]);
  // Many decades: every second, third, ... so that labels don't collide.
  if (decades.length > 6) return decades.filter((_, at) => at % Math.ceil(decades.length / 6) === 0);
  if (decades.length >= 3) return decades;
  const finer = within([1, 2, 5]);
  return finer.length >= 2 ? finer : linearTicks(low, high, 4);
};

/** A number as short as it reads well: 0.25, 12, 1.5k, 20M, 1e-5; `-` for what is not finite. */
export const formatNumber = (value: number): string => {
  if (!Number.isFinite(value)) return '-';
  if (value === 0) return '0';
  const size = Math.abs(value);
  const sign = value < 0 ? '\u2212' : '';
  const digits = (scaled: number): string => String(Number(scaled.toPrecision(3)));
  if (size >= 1e15 || size < 1e-4) return `${sign}${Number(size.toPrecision(2)).toExponential()}`;
  if (size >= 999_500_000) return `${sign}${digits(size / 1e9)}G`;
  if (size >= 999_500) return `${sign}${digits(size / 1e6)}M`;
  if (size >= 9_995) return `${sign}${digits(size / 1e3)}k`;
  if (size >= 1000) return `${sign}${size.toFixed(0)}`;
  return `${sign}${digits(size)}`;
};

/** The ticks of a linear axis as text, all with the decimals that their distance asks for: 0.15, 0.20, not 0.15, 0.2. */
export const formatTicks = (ticks: readonly number[]): readonly string[] => {
  const [first, second] = ticks;
  if (first === undefined || second === undefined) return ticks.map(formatNumber);
  const size = Math.max(...ticks.map(Math.abs));
  const step = Math.abs(second - first);
  if (size >= 1e15 || size < 1e-4) return ticks.map(formatNumber);
  const [unit, suffix] =
    size >= 1e9 ? [1e9, 'G'] : size >= 1e6 ? [1e6, 'M'] : size >= 1e4 ? [1e3, 'k'] : [1, ''];
  const decimals = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  return ticks.map((tick) => {
    if (tick === 0) return '0';
    const text = (Math.abs(tick) / unit).toFixed(decimals);
    return `${tick < 0 ? '\u2212' : ''}${text}${suffix}`;
  });
};
