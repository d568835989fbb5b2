/**
 * Matrices of signed numbers between named things: the number stands in the cell, its sign and size also as colour, and
 * the rest (errors, other estimates) in the hover text.
 */
import { ShapeError } from '@polygate/core';
import type { Figure } from './figure.ts';
import { element, hoverText, text } from './svg.ts';

export interface MatrixCell {
  /** Decides the colour; NaN has none. */
  readonly value: number;
  /** Shown in the cell. */
  readonly text: string;
  /** Smaller, under it. @default none */
  readonly note?: string;
  readonly hover: string;
  /** No colour: a cell that is what it is by definition. @default false */
  readonly neutral?: boolean;
}

export interface SignedMatrixOptions {
  readonly title: string;
  readonly description: string;
  /** What the rows are, above their labels. */
  readonly rowTitle: string;
  /** What the columns are, above theirs. */
  readonly columnTitle: string;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** [row][column] */
  readonly cells: readonly (readonly MatrixCell[])[];
  /** Size of full strength. @default 1 */
  readonly maximum?: number;
  /** Pixels. @default 84 */
  readonly cellWidth?: number;
}

const CELL_HEIGHT = 40;
const HEAD = 40;
/** Never so strong that ink on it gets hard to read. */
const STRONGEST = 0.55;

const cut = (label: string, length: number): string =>
  label.length > length ? `${label.slice(0, Math.max(1, length - 1))}…` : label;

/** A matrix. @throws ShapeError when cells, rows and columns don't match */
export const signedMatrix = (options: SignedMatrixOptions): Figure => {
  const {
    title,
    description,
    rowTitle,
    columnTitle,
    rows,
    columns,
    cells,
    maximum = 1,
    cellWidth = 84,
  } = options;
  if (cells.length !== rows.length || cells.some((row) => row.length !== columns.length)) {
    throw new ShapeError(
      `matrix "${title}": expected ${rows.length} rows of ${columns.length} cells, got ${cells.map((row) => row.length).join(', ') || 'none'}`,
    );
  }
  const longest = Math.max(rowTitle.length, ...rows.map((label) => label.length));
  const labelWidth = 12 + 6.6 * Math.min(longest, 26);
  const fit = Math.floor((cellWidth - 6) / 6.6);
  const parts = [
    text(columnTitle, { x: labelWidth, y: 12, class: 'pg-quiet pg-small' }),
    text(rowTitle, { x: labelWidth - 8, y: HEAD - 8, 'text-anchor': 'end', class: 'pg-quiet pg-small' }),
    ...columns.map((label, column) =>
      element('g', {}, [
        hoverText(label),
        text(cut(label, fit), {
          x: labelWidth + (column + 0.5) * cellWidth,
          y: HEAD - 8,
          'text-anchor': 'middle',
          class: 'pg-ink pg-small',
        }),
      ]),
    ),
    ...rows.map((label, row) =>
      element('g', {}, [
        hoverText(label),
        text(cut(label, 26), {
          x: labelWidth - 8,
          y: HEAD + (row + 0.5) * CELL_HEIGHT + 4,
          'text-anchor': 'end',
          class: 'pg-ink pg-small',
        }),
      ]),
    ),
  ];
  for (const [row, rowCells] of cells.entries()) {
    for (const [column, cell] of rowCells.entries()) {
      const x = labelWidth + column * cellWidth;
      const y = HEAD + row * CELL_HEIGHT;
      const box = { x: x + 1, y: y + 1, width: cellWidth - 2, height: CELL_HEIGHT - 2 };
      const strength =
        cell.neutral || Number.isNaN(cell.value)
          ? 0
          : STRONGEST * Math.min(1, Math.abs(cell.value) / maximum);
      parts.push(
        element('g', {}, [
          hoverText(cell.hover),
          element('rect', { ...box, class: 'pg-grid' }),
          element('rect', {
            ...box,
            class: `${cell.value < 0 ? 'pg-negative' : 'pg-positive'} pg-cell`,
            'fill-opacity': strength,
          }),
          text(cell.text, {
            x: x + cellWidth / 2,
            y: y + CELL_HEIGHT / 2 + (cell.note === undefined ? 4 : -1),
            'text-anchor': 'middle',
            class: cell.neutral ? 'pg-quiet' : 'pg-ink',
          }),
          ...(cell.note === undefined
            ? []
            : [
                text(cell.note, {
                  x: x + cellWidth / 2,
                  y: y + CELL_HEIGHT / 2 + 13,
                  'text-anchor': 'middle',
                  class: cell.neutral ? 'pg-quiet pg-small' : 'pg-ink pg-small',
                }),
              ]),
        ]),
      );
    }
  }
  return {
    title,
    description,
    width: labelWidth + columns.length * cellWidth + 2,
    height: HEAD + rows.length * CELL_HEIGHT + 2,
    body: parts.join(''),
  };
};
