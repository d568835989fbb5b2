/** What the columns of a table hold: numbers, categories, or neither. */
import type { TableColumn } from '@polygate/stream';
import { sortClasses } from '../samples/class-names.ts';
import { isAbsent } from '../splits/split-cell.ts';

/** Most categories of a column. */
const MAX_CATEGORIES = 1000;

/** Whether a cell says that there is no value: empty, `NA`, `null` and the like, or a question mark. */
export const isMissing = (cell: string): boolean => isAbsent(cell) || cell.trim() === '?';

/** What programs write of a number that is infinite. */
const infinity = /^([-+]?)inf(?:inity)?$/iu;

/** The number of a cell, which may be infinite; NaN for a missing one, undefined for other text. */
export const numberOf = (cell: string): number | undefined => {
  if (isMissing(cell)) return Number.NaN;
  const text = cell.trim();
  const sign = infinity.exec(text)?.[1];
  if (sign !== undefined) return sign === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const value = Number(text);
  return Number.isNaN(value) ? undefined : value;
};

/** A number as many countries write it, `1.234,5`, or with commas between thousands. */
const withCommas = /^[-+]?(?:\d+(?:,\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d{1,3}(?:,\d{3})+(?:\.\d+)?)$/u;

/** What makes numbers with commas ones that are read, where a cell holds one; else empty. */
export const commaRemedy = (cell: string): string =>
  cell.includes(',') && withCommas.test(cell.trim())
    ? 'write decimals with a point and no sign between thousands (pandas: read_csv(..., sep=";", decimal=",", thousands="."), then to_csv)'
    : '';

/** A category as it is compared: truth values are written in capitals by some programs, and not by others. */
const categoryOf = (cell: string): string => {
  const text = cell.trim();
  return /^(?:true|false)$/iu.test(text) ? text.toLowerCase() : text;
};

/** The place of a cell among categories, -1 for one that is missing or new. */
const categoryIndex = (categories: readonly string[], cell: string): number => {
  if (isMissing(cell)) return -1;
  const index = categories.indexOf(categoryOf(cell));
  return index < 0 ? categories.indexOf(cell.trim()) : index;
};

/** Names of columns that number rows, or name them: `id`, `PassengerId`, what pandas writes of an index. */
const idNames = [/^$|(?:^|[\s_.-])(?:id|idx|index|uuid|unnamed:? ?\d+)$/iu, /[a-z](?:Id|ID)$/u];

/** Rows that a column counts, at least: fewer may be 1, 2, 3 by chance. */
const MIN_COUNTED = 8;

/** Looks at the cells of a column, one after another. */
export class ColumnSurvey {
  readonly #values = new Set<string>();
  #isNumeric = true;
  #isWhole = true;
  #haveCommas = true;
  #withComma: string | undefined;
  #count = 0;
  #isCounter = true;
  #last: number | undefined;

  add(cell: string): void {
    if (isMissing(cell)) return;
    this.#count += 1;
    const value = this.#isNumeric ? numberOf(cell) : undefined;
    if (value === undefined) this.#isNumeric = false;
    if (!Number.isSafeInteger(value)) this.#isWhole = false;
    if (this.#last !== undefined && value !== this.#last + 1) this.#isCounter = false;
    this.#last = value;
    if (this.#haveCommas && !withCommas.test(cell.trim())) this.#haveCommas = false;
    if (this.#haveCommas && cell.includes(',')) this.#withComma ??= cell.trim();
    if (this.#values.size <= MAX_CATEGORIES) this.#values.add(categoryOf(cell));
  }

  /**
   * Whether each of several cells is another text, as names are, or a whole number that counts the rows, or most are other
   * whole numbers in a column that is called as those of ids are.
   */
  areNames(name: string): boolean {
    const different = this.#values.size;
    if (this.#count < 2) return false;
    if (!this.#isNumeric) return different === this.#count;
    if (this.#isWhole && this.#isCounter && this.#count >= MIN_COUNTED) return true;
    const isMost = different > Math.min(this.#count / 2, MAX_CATEGORIES);
    return isMost && this.#isWhole && idNames.some((each) => each.test(name.trim()));
  }

  /** How many different texts there are, where most cells have one of their own, as sentences have; else undefined. */
  get wordings(): number | undefined {
    const different = this.#values.size;
    return !this.#isNumeric && different * 2 > this.#count && this.#count > 1 ? different : undefined;
  }

  /** Whether all cells are numbers, and whether these are whole. */
  get numbers(): 'none' | 'whole' | 'any' {
    if (!this.#isNumeric || this.#count === 0) return 'none';
    return this.#isWhole ? 'whole' : 'any';
  }

  /** The first number with a comma, where all cells are numbers, written with commas or without any sign. */
  get commas(): string | undefined {
    return this.#haveCommas ? this.#withComma : undefined;
  }

  /** Whether some text or number comes twice, as classes do. */
  get repeats(): boolean {
    return this.#values.size < this.#count;
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
    const index = categoryIndex(column.values, cell);
    return index < 0 ? Number.NaN : index;
  });
