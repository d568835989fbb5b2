/** What the columns of a table hold: numbers, categories, or neither. */
import type { TableColumn } from '@polygate/stream';
import { sortClasses } from '../samples/class-names.ts';
import { isAbsent } from '../splits/split-cell.ts';

/** Most categories of a column. */
const MAX_CATEGORIES = 1000;

/** Whether a cell says that there is no value: empty, `NA`, `null` and the like, or a question mark. */
export const isMissing = (cell: string): boolean => isAbsent(cell) || cell.trim() === '?';

/** The number of a cell; NaN for a missing one, undefined for other text. */
export const numberOf = (cell: string): number | undefined => {
  if (isMissing(cell)) return Number.NaN;
  const value = Number(cell.trim());
  return Number.isFinite(value) ? value : undefined;
};

/** Looks at the cells of a column, one after another. */
export class ColumnSurvey {
  readonly #values = new Set<string>();
  #isNumeric = true;
  #count = 0;

  add(cell: string): void {
    if (isMissing(cell)) return;
    this.#count += 1;
    if (this.#isNumeric && numberOf(cell) === undefined) this.#isNumeric = false;
    if (this.#values.size <= MAX_CATEGORIES) this.#values.add(cell.trim());
  }

  /** Whether each of several cells is another text, as names and ids are. */
  get areNames(): boolean {
    return !this.#isNumeric && this.#count > 1 && this.#values.size === this.#count;
  }

  /** The column; undefined for one of nothing, or of more categories than a table has. */
  column(name: string): TableColumn | undefined {
    if (this.#count === 0) return undefined;
    if (this.#isNumeric) return { name, kind: 'number' };
    return this.#values.size > MAX_CATEGORIES
      ? undefined
      : { name, kind: 'category', values: sortClasses(this.#values) };
  }
}

/** A row's numbers: of categories their indices, NaN for what is missing or new. */
export const rowNumbers = (columns: readonly TableColumn[], cells: readonly string[]): Float64Array =>
  Float64Array.from(columns, (column, at) => {
    const cell = cells[at] ?? '';
    if (column.kind === 'number') return numberOf(cell) ?? Number.NaN;
    const index = isMissing(cell) ? -1 : column.values.indexOf(cell.trim());
    return index < 0 ? Number.NaN : index;
  });
