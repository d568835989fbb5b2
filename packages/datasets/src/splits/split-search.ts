/** Which column of a table, or field of JSON lines, says the split of each row. */
import { isAbsent } from './split-cell.ts';
import { knownSplit, SplitFinder, type SplitColumn } from './split-names.ts';

/** A name without letter case, its words apart by `_`. */
const plain = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replace(/[\s_-]+/gu, '_');

/** Names of columns that are followed where some of their values are splits, and told of where none is. */
const splitColumns: ReadonlySet<string> = new Set([
  'split',
  'splits',
  'split_name',
  'partition',
  'subset',
  'set',
  'data_set',
  'dataset',
  'data_split',
  'dataset_split',
  'usage',
  'fold',
  'folds',
  'fold_id',
  'kfold',
  'k_fold',
]);

const isSplitColumn = (name: string): boolean =>
  splitColumns.has(plain(name)) ||
  /^is_?(?:train|test|val|valid|validation|dev|eval)(?:ing)?(?:_|$)/u.test(plain(name));

/** A cell of a row. */
export interface Cell {
  /** What tells its column from the others: its index, or its name. */
  readonly key: string | number;
  readonly name: string;
  readonly value: unknown;
}

interface Candidate {
  readonly name: string;
  readonly finder: SplitFinder;
  /** Whether the column is called as those of splits are. */
  readonly called: boolean;
  rows: number;
}

/** The column of splits. */
export interface FoundSplits extends SplitColumn {
  /** Undefined where none is followed. */
  readonly key?: string | number;
}

/**
 * Looks at all cells of the rows, but for those of columns that hold something else. A column is followed where it is
 * called as such columns are and names a split, or where each of its cells names one, `train` among others.
 */
export class SplitSearch {
  readonly #candidates = new Map<string | number, Candidate>();
  readonly #used: ReadonlySet<string | number>;
  #rows = 0;

  /** @param used keys of the columns that hold images, texts and labels */
  constructor(used: Iterable<string | number>) {
    this.#used = new Set(used);
  }

  addRow(cells: Iterable<Cell>): void {
    const first = this.#rows === 0;
    this.#rows += 1;
    for (const { key, name, value } of cells) {
      let candidate = this.#candidates.get(key);
      if (!candidate) {
        if (this.#used.has(key)) continue;
        const called = isSplitColumn(name);
        // One that is not called so has to name a split in each row, the first among them.
        if (!called && !(first && namesSplit(value))) continue;
        candidate = { name, finder: new SplitFinder(), called, rows: 0 };
        this.#candidates.set(key, candidate);
      }
      if (isAbsent(value)) continue;
      if (!candidate.called && !namesSplit(value)) this.#candidates.delete(key);
      else {
        candidate.finder.add(value);
        candidate.rows += 1;
      }
    }
  }

  /** Keys of the columns that may still be the one, once a row was added. */
  open(): readonly (string | number)[] {
    return [...this.#candidates.keys()];
  }

  resolve(): FoundSplits {
    const list = [...this.#candidates].map(([key, candidate]) => {
      const { name, finder, called, rows } = candidate;
      const column = finder.resolve(name, false);
      const whole = rows === this.#rows && column.splits.length > 1 && column.splits.includes('train');
      return { key, called, name, column, followed: column.followed && (called || whole) };
    });
    const chosen = list.find((each) => each.followed && each.called) ?? list.find((each) => each.followed);
    const notes = list.flatMap((each) => {
      if (each === chosen) {
        const note = `column "${each.name}" is followed, since its values name splits (${each.column.splits.join(', ')}); set splitColumn to "" to draw them instead`;
        return [...(each.called ? [] : [note]), ...each.column.notes];
      }
      if (!each.column.followed) return each.column.notes;
      return [
        `column "${each.name}" is not used, though its values name splits (${each.column.splits.join(', ')}); set splitColumn to it to follow it`,
      ];
    });
    if (!chosen) return { followed: false, splits: [], notes };
    return { followed: true, splits: chosen.column.splits, notes, key: chosen.key };
  }
}

const namesSplit = (value: unknown): boolean => typeof value === 'string' && knownSplit(value) !== undefined;
