/** One dot a run, one row a variant, and a bar over the 95 % interval of its mean. */
import { createScale, element, formatNumber, text, type Figure } from '@polygate/figures';
import { halfInterval, spreadOf } from './statistics.ts';

export interface DotRow {
  readonly label: string;
  readonly values: readonly number[];
}

export interface DotPlotOptions {
  readonly title: string;
  readonly axis: string;
  /** A vertical line, such as the baseline's value. */
  readonly reference?: number;
}

const ROW = 26;
const LABEL = 190;
const WIDTH = 620;
const MARGIN = { top: 10, right: 20, bottom: 40 } as const;

/** @throws ConfigError when there is no value to show */
export const dotPlot = (rows: readonly DotRow[], { title, axis, reference }: DotPlotOptions): Figure => {
  const bottom = MARGIN.top + rows.length * ROW;
  const intervals = rows.map(({ values }) => {
    const spread = spreadOf(values);
    const half = halfInterval(spread);
    return { mean: spread.mean, half: Number.isFinite(half) ? half : 0 };
  });
  const shown = [
    ...rows.flatMap(({ values }) => values),
    ...intervals.flatMap(({ mean, half }) => [mean - half, mean + half]),
    ...(reference === undefined ? [] : [reference]),
  ];
  const x = createScale(shown, { range: [LABEL, WIDTH - MARGIN.right], nice: true });
  const axes = x.ticks.flatMap((tick) => [
    element('line', { x1: x.at(tick), x2: x.at(tick), y1: MARGIN.top, y2: bottom, class: 'pg-grid' }),
    text(formatNumber(tick), {
      x: x.at(tick),
      y: bottom + 16,
      'text-anchor': 'middle',
      class: 'pg-quiet pg-small',
    }),
  ]);
  const marks = rows.flatMap(({ label, values }, at) => {
    const y = MARGIN.top + (at + 0.5) * ROW;
    const { mean, half } = intervals[at] ?? { mean: Number.NaN, half: 0 };
    return [
      text(label, { x: LABEL - 12, y: y + 4, 'text-anchor': 'end', class: 'pg-ink' }),
      element('line', {
        x1: x.at(mean - half),
        x2: x.at(mean + half),
        y1: y,
        y2: y,
        class: 'pg-line-0',
        'stroke-width': 2,
      }),
      element('line', {
        x1: x.at(mean),
        x2: x.at(mean),
        y1: y - 7,
        y2: y + 7,
        class: 'pg-line-0',
        'stroke-width': 3,
      }),
      ...values.map((value) => element('circle', { cx: x.at(value), cy: y, r: 3.5, class: 'pg-dot-1' })),
    ];
  });
  return {
    title,
    description: rows
      .map(({ label }, at) => {
        const { mean, half } = intervals[at] ?? { mean: Number.NaN, half: 0 };
        return `${label}: ${formatNumber(mean)} plus or minus ${formatNumber(half)}`;
      })
      .join('; '),
    width: WIDTH,
    height: bottom + MARGIN.bottom,
    body: [
      ...axes,
      ...(reference === undefined
        ? []
        : [
            element('line', {
              x1: x.at(reference),
              x2: x.at(reference),
              y1: MARGIN.top,
              y2: bottom,
              class: 'pg-mark',
            }),
          ]),
      ...marks,
      text(axis, {
        x: (LABEL + WIDTH - MARGIN.right) / 2,
        y: bottom + 33,
        'text-anchor': 'middle',
        class: 'pg-quiet pg-small',
      }),
    ].join(''),
  };
};
