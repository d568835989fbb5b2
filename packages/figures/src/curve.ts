/** Curves before they are drawn: smoothing that does not lag, and thinning that keeps the extremes. */
import { ConfigError } from '@polygate/core';

/** A place on a curve. */
export interface CurvePoint {
  readonly x: number;
  readonly y: number;
}

const REACH = 3;

/**
 * Mean of the neighbours of each point, weighted by a Gaussian of their distance in points. Unlike a running average it
 * looks both ways, so a drop shows where it happened; at the ends the window is cut and its weights rescaled.
 * @param width standard deviation in points; 0 changes nothing
 * @throws ConfigError for a width below 0
 */
export const smoothCurve = (points: readonly CurvePoint[], width: number): readonly CurvePoint[] => {
  if (!(width >= 0)) {
    throw new ConfigError(`smoothCurve: expected a width of at least 0 points, got ${width}`);
  }
  if (width === 0) return points;
  const reach = Math.ceil(REACH * width);
  const weights = Array.from({ length: reach + 1 }, (_, d) => Math.exp(-0.5 * (d / width) ** 2));
  return points.map(({ x }, at) => {
    let sum = 0;
    let total = 0;
    for (let k = Math.max(0, at - reach); k <= Math.min(points.length - 1, at + reach); k += 1) {
      const y = points[k]?.y ?? NaN;
      if (!Number.isFinite(y)) continue;
      const weight = weights[Math.abs(k - at)] ?? 0;
      sum += weight * y;
      total += weight;
    }
    return { x, y: sum / total };
  });
};

/**
 * At most `limit` points (4 or more) that show the same image: of each stretch of neighbours its lowest and its
 * highest, in their order, so that a spike is never lost. The first and the last point stay.
 */
export const thinCurve = (points: readonly CurvePoint[], limit: number): readonly CurvePoint[] => {
  if (points.length <= limit) return points;
  const stretches = Math.max(1, Math.floor((limit - 2) / 2));
  const inner = points.length - 2;
  const kept = new Set<number>([0, points.length - 1]);
  for (let stretch = 0; stretch < stretches; stretch += 1) {
    const from = 1 + Math.floor((stretch * inner) / stretches);
    const to = 1 + Math.floor(((stretch + 1) * inner) / stretches);
    let low = from;
    let high = from;
    for (let at = from; at < to; at += 1) {
      const y = points[at]?.y ?? NaN;
      if (y < (points[low]?.y ?? NaN)) low = at;
      if (y > (points[high]?.y ?? NaN)) high = at;
    }
    kept.add(low);
    kept.add(high);
  }
  return [...kept].sort((a, b) => a - b).map((at) => points[at] as CurvePoint);
};
