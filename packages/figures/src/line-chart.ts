/** Line charts: curves with their raw values behind, axes with round numbers, and hover texts for every stretch of x. */
import { ConfigError } from '@polygate/core';
import type { CurvePoint } from './curve.ts';
import type { Figure } from './figure.ts';
import { createScale, type Scale, type ScaleKind } from './scale.ts';
import { element, hoverText, linePath, text } from './svg.ts';
import { dashes } from './theme.ts';
import { formatNumber } from './ticks.ts';

export interface LineSeries {
  readonly name: string;
  readonly points: readonly CurvePoint[];
  /** Drawn thin and faint behind the line. @default none */
  readonly raw?: readonly CurvePoint[];
  /** Number of its colour and dash. @default its place in the list */
  readonly style?: number;
  /** Dots at the points, for curves of few. @default false */
  readonly dots?: boolean;
}

export interface ChartAxis {
  readonly label: string;
  readonly kind?: ScaleKind;
  /** Values that the axis shows besides those of the curves, such as 0. @default none */
  readonly include?: readonly number[];
}

export interface LineChartOptions {
  readonly title: string;
  /** @default the series with their first and last values */
  readonly description?: string;
  readonly x: ChartAxis;
  readonly y: ChartAxis;
  /** Pixels. @default 340 */
  readonly width?: number;
  /** Pixels. @default 210 */
  readonly height?: number;
  /** Names of the series under the chart. @default true for two or more series */
  readonly legend?: boolean;
}

const MARGIN = { left: 54, right: 14, top: 8, bottom: 38 } as const;
/** Width of a digit of DejaVu Sans at 11 px, the widest of the fonts asked for. */
const DIGIT = 7;
const LEGEND = 20;
const MOST_STRIPS = 60;
const SERIES_STYLES = dashes.length;

interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const styleOf = (series: LineSeries, at: number): number => (series.style ?? at) % SERIES_STYLES;

const describe = (series: readonly LineSeries[]): string =>
  series
    .map(({ name, points }) => {
      const first = points[0];
      const last = points.at(-1);
      return first && last
        ? `${name}: ${formatNumber(first.y)} at ${formatNumber(first.x)}, ${formatNumber(last.y)} at ${formatNumber(last.x)}`
        : `${name}: no values`;
    })
    .join('; ');

const axes = (x: Scale, y: Scale, { options, plot }: { options: LineChartOptions; plot: Plot }): string[] => {
  const { left, right, top, bottom } = plot;
  return [
    ...y.ticks.flatMap((tick, at) => [
      element('line', { x1: left, x2: right, y1: y.at(tick), y2: y.at(tick), class: 'pg-grid' }),
      text(y.labels[at] ?? '', {
        x: left - 6,
        y: y.at(tick) + 4,
        'text-anchor': 'end',
        class: 'pg-quiet pg-small',
      }),
    ]),
    element('line', { x1: left, x2: right, y1: bottom, y2: bottom, class: 'pg-axis' }),
    ...x.ticks.flatMap((tick, at) => [
      element('line', { x1: x.at(tick), x2: x.at(tick), y1: bottom, y2: bottom + 4, class: 'pg-axis' }),
      text(x.labels[at] ?? '', {
        x: x.at(tick),
        y: bottom + 16,
        'text-anchor': 'middle',
        class: 'pg-quiet pg-small',
      }),
    ]),
    text(options.x.label, {
      x: (left + right) / 2,
      y: bottom + 31,
      'text-anchor': 'middle',
      class: 'pg-quiet pg-small',
    }),
    text(options.y.label, {
      transform: `translate(10 ${((top + bottom) / 2).toFixed(1)}) rotate(-90)`,
      'text-anchor': 'middle',
      class: 'pg-quiet pg-small',
    }),
  ];
};

/** The point nearest to a value of x. */
const nearest = (points: readonly CurvePoint[], x: number): CurvePoint | undefined => {
  let best: CurvePoint | undefined;
  for (const point of points) if (!best || Math.abs(point.x - x) < Math.abs(best.x - x)) best = point;
  return best;
};

/** Transparent strips over the plot whose hover text names the values of all series there. */
const hoverStrips = (
  series: readonly LineSeries[],
  x: Scale,
  { options, plot }: { options: LineChartOptions; plot: Plot },
): string[] => {
  const distinct = [...new Set(series.flatMap(({ points }) => points.map((point) => point.x)))].sort(
    (a, b) => a - b,
  );
  const count = Math.min(MOST_STRIPS, distinct.length);
  const marks = Array.from(
    { length: count },
    (_, at) => distinct[count === 1 ? 0 : Math.round((at * (distinct.length - 1)) / (count - 1))] as number,
  );
  return marks.map((mark, at) => {
    const left = x.at(mark);
    const before = at === 0 ? plot.left : (left + x.at(marks[at - 1] as number)) / 2;
    const after = at === count - 1 ? plot.right : (left + x.at(marks[at + 1] as number)) / 2;
    const words = [
      `${options.x.label} ${formatNumber(mark)}`,
      ...series.map(({ name, points }) => `${name}: ${formatNumber(nearest(points, mark)?.y ?? NaN)}`),
    ].join('\n');
    return element(
      'rect',
      {
        x: before,
        y: plot.top,
        width: Math.max(0, after - before),
        height: plot.bottom - plot.top,
        class: 'pg-hit',
      },
      [hoverText(words)],
    );
  });
};

const legendOf = (series: readonly LineSeries[], left: number, top: number): string[] => {
  let at = left;
  return series.map((each, index) => {
    const style = styleOf(each, index);
    const start = at;
    // About the width of a line of DejaVu Sans, the widest of the fonts asked for.
    at += 24 + 7 * each.name.length + 18;
    return [
      element('line', {
        x1: start,
        x2: start + 18,
        y1: top + 10,
        y2: top + 10,
        class: `pg-line-${style}`,
        'stroke-width': 2,
        'stroke-dasharray': dashes[style],
      }),
      text(each.name, { x: start + 24, y: top + 14, class: 'pg-ink pg-small' }),
    ].join('');
  });
};

/** A line chart. @throws ConfigError when no series has a value that the axes can show */
export const lineChart = (series: readonly LineSeries[], options: LineChartOptions): Figure => {
  const { title, width = 340, height = 210, legend = series.length > 1 } = options;
  const top = MARGIN.top;
  const bottom = height - MARGIN.bottom - (legend ? LEGEND : 0);
  const all = series.flatMap(({ points, raw = [] }) => [...points, ...raw]);
  if (all.length === 0) {
    throw new ConfigError(
      `line chart "${title}": expected a curve with points, got none; leave the chart out`,
    );
  }
  const y = createScale([...all.map((point) => point.y), ...(options.y.include ?? [])], {
    kind: options.y.kind ?? 'linear',
    range: [bottom, top],
    tickCount: 4,
    nice: true,
  });
  const longest = Math.max(...y.labels.map((label) => label.length));
  const plot: Plot = {
    // The axis label, the longest tick and the space between them.
    left: Math.max(MARGIN.left, 18 + DIGIT * longest + 8),
    right: width - MARGIN.right,
    top,
    bottom,
  };
  const x = createScale([...all.map((point) => point.x), ...(options.x.include ?? [])], {
    kind: options.x.kind ?? 'linear',
    range: [plot.left, plot.right],
  });
  const path = (points: readonly CurvePoint[]): string =>
    linePath(points.map((point) => [x.at(point.x), y.at(point.y)]));
  const lines = series.flatMap((each, index) => {
    const style = styleOf(each, index);
    const dash = dashes[style];
    return [
      ...(each.raw
        ? [
            element('path', {
              d: path(each.raw),
              class: `pg-line-${style}`,
              'stroke-width': 1,
              'stroke-opacity': 0.28,
            }),
          ]
        : []),
      element('path', {
        d: path(each.points),
        class: `pg-line-${style}`,
        'stroke-width': 2,
        'stroke-linejoin': 'round',
        'stroke-dasharray': dash,
      }),
      ...(each.dots
        ? each.points.map((point) =>
            element('circle', { cx: x.at(point.x), cy: y.at(point.y), r: 3, class: `pg-dot-${style}` }),
          )
        : []),
    ];
  });
  // Faint raw curves of all series first, so that none covers a line.
  const order = [...lines].sort(
    (a, b) => Number(b.includes('stroke-opacity')) - Number(a.includes('stroke-opacity')),
  );
  return {
    title,
    description: options.description ?? describe(series),
    width,
    height,
    body: [
      ...axes(x, y, { options, plot }),
      ...order,
      ...(legend ? legendOf(series, plot.left, height - LEGEND) : []),
      ...hoverStrips(series, x, { options, plot }),
    ].join(''),
  };
};
