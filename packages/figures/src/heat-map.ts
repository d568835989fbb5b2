/**
 * Heat maps: cells whose strength of colour is a value between 0 and a maximum. Strength is opacity over the surface, so
 * the same file reads right on light and on dark. Columns may stand in groups with a gap between them.
 */
import { ShapeError } from '@polygate/core';
import type { Figure } from './figure.ts';
import { element, hoverText, text } from './svg.ts';
import { formatNumber } from './ticks.ts';

export interface ColumnGroup {
  readonly label: string;
  /** One label a column; an empty one is left out. */
  readonly columns: readonly string[];
}

export interface HeatCell {
  /** At least 0; NaN leaves the cell empty. */
  readonly value: number;
  /** Shown on hover and read aloud. */
  readonly hover: string;
  /** Outlined, such as the first choice of a router. @default false */
  readonly marked?: boolean;
}

export interface HeatMapOptions {
  readonly title: string;
  readonly description: string;
  /** Labels of the rows. */
  readonly rows: readonly string[];
  readonly groups: readonly ColumnGroup[];
  /** [row][column over all groups] */
  readonly cells: readonly (readonly HeatCell[])[];
  /** Value of full strength. @default the largest, or 1 where all are 0 */
  readonly maximum?: number;
  /** What the strength means, beside its scale. */
  readonly legend: string;
  /** Whether the scale of strengths is shown; panels may share that of the first. @default true */
  readonly key?: boolean;
  /** Pixels. @default 14 */
  readonly cellWidth?: number;
  /** Pixels. @default 18 */
  readonly cellHeight?: number;
  /** Width kept for the row labels. @default by the longest label */
  readonly labelWidth?: number;
}

const GAP = 8;
const HEAD = 18;
const FOOT = 16;
const KEY = 34;

const check = ({ title, rows, groups, cells }: HeatMapOptions): void => {
  const columns = groups.reduce((sum, group) => sum + group.columns.length, 0);
  const bad = cells.findIndex((row) => row.length !== columns);
  if (cells.length !== rows.length || bad >= 0) {
    throw new ShapeError(
      `heat map "${title}": expected ${rows.length} rows of ${columns} cells, got ${cells.length} rows${
        bad >= 0 ? `, row ${bad} of ${cells[bad]?.length ?? 0}` : ''
      }`,
    );
  }
};

/** The scale of strengths, as a row of cells with its ends. */
const keyOf = (maximum: number, options: HeatMapOptions, [left, top]: readonly [number, number]): string => {
  const STEPS = 6;
  const SIZE = 16;
  const cells = Array.from({ length: STEPS }, (_, k) =>
    element('rect', {
      x: left + 24 + k * SIZE,
      y: top + 8,
      width: SIZE,
      height: 12,
      class: 'pg-heat',
      'fill-opacity': k / (STEPS - 1),
    }),
  );
  const end = left + 24 + STEPS * SIZE;
  return [
    text('0', { x: left + 18, y: top + 18, 'text-anchor': 'end', class: 'pg-quiet pg-small' }),
    ...cells,
    element('rect', { x: left + 24, y: top + 8, width: STEPS * SIZE, height: 12, class: 'pg-grid' }),
    text(`${formatNumber(maximum)}   ${options.legend}`, {
      x: end + 6,
      y: top + 18,
      class: 'pg-quiet pg-small',
    }),
  ].join('');
};

/** A heat map. @throws ShapeError when cells, rows and columns don't match */
export const heatMap = (options: HeatMapOptions): Figure => {
  check(options);
  const { title, description, rows, groups, cells, cellWidth = 14, cellHeight = 18, key = true } = options;
  const { labelWidth = 12 + 6.6 * Math.max(0, ...rows.map((label) => label.length)) } = options;
  const greatest = Math.max(0, ...cells.flatMap((row) => row.map(({ value }) => (value > 0 ? value : 0))));
  const { maximum = greatest > 0 ? greatest : 1 } = options;
  const parts: string[] = [];
  const lefts: number[] = [];
  let left = labelWidth;
  const hasFoot = groups.some(({ columns }) => columns.some((label) => label !== ''));
  const bottom = HEAD + rows.length * cellHeight;
  for (const { label, columns } of groups) {
    parts.push(
      text(label, {
        x: left + (columns.length * cellWidth) / 2,
        y: 12,
        'text-anchor': 'middle',
        class: 'pg-quiet pg-small',
      }),
    );
    for (const name of columns) {
      lefts.push(left);
      if (name !== '') {
        parts.push(
          text(name, {
            x: left + cellWidth / 2,
            y: bottom + 12,
            'text-anchor': 'middle',
            class: 'pg-quiet pg-small',
          }),
        );
      }
      left += cellWidth;
    }
    left += GAP;
  }
  for (const [row, label] of rows.entries()) {
    const top = HEAD + row * cellHeight;
    parts.push(
      text(label, {
        x: labelWidth - 8,
        y: top + cellHeight / 2 + 4,
        'text-anchor': 'end',
        class: 'pg-ink pg-small',
      }),
    );
    for (const [column, cell] of (cells[row] ?? []).entries()) {
      if (Number.isNaN(cell.value)) continue;
      const x = lefts[column] ?? 0;
      const box = { x: x + 0.5, y: top + 0.5, width: cellWidth - 1, height: cellHeight - 1 };
      parts.push(
        element('rect', { ...box, class: 'pg-grid', 'stroke-width': 0.5 }),
        element(
          'rect',
          {
            ...box,
            class: 'pg-heat pg-cell',
            'fill-opacity': Math.min(1, Math.max(0, cell.value / maximum)),
          },
          [hoverText(cell.hover)],
        ),
        ...(cell.marked
          ? [
              element('rect', {
                x: box.x + 0.5,
                y: box.y + 0.5,
                width: box.width - 1,
                height: box.height - 1,
                class: 'pg-mark',
                'stroke-width': 1.4,
                'pointer-events': 'none',
              }),
            ]
          : []),
      );
    }
  }
  const keyTop = bottom + (hasFoot ? FOOT : 0);
  if (key) parts.push(keyOf(maximum, options, [labelWidth - 24, keyTop]));
  const keyWidth = key ? labelWidth + 6 * 16 + 12 + 6.6 * (options.legend.length + 6) : 0;
  return {
    title,
    description,
    width: Math.max(left - GAP, keyWidth) + 2,
    height: keyTop + (key ? KEY - 8 : 2),
    body: parts.join(''),
  };
};
