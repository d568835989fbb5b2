/** Names of splits as folders, columns and shards have them -> the names that training and evaluation know. */

/** What a name of a split stands for, in lower case. */
const synonyms: ReadonlyMap<string, string> = new Map([
  ['train', 'train'],
  ['training', 'train'],
  ['trainset', 'train'],
  ['val', 'validation'],
  ['valid', 'validation'],
  ['validation', 'validation'],
  ['validate', 'validation'],
  ['dev', 'validation'],
  ['devel', 'validation'],
  ['development', 'validation'],
  ['valset', 'validation'],
  ['devset', 'validation'],
  ['test', 'test'],
  ['testing', 'test'],
  ['testset', 'test'],
  // As the `datasets` library of Hugging Face takes it.
  ['eval', 'test'],
  ['evaluation', 'test'],
]);

/** Order in which the known splits are written. */
const order: readonly string[] = ['train', 'validation', 'test'];

/** What may stand behind the word: a year or number, as in `val2017`, and what is split, as in `Training Set`. */
const behind = /[-_ ]?\d{4}$|[-_ ](?:set|data|split|images|samples)$/u;

/** `train`, `validation` or `test` where a name means one of them in any of the usual spellings, else undefined. */
export const knownSplit = (name: string): string | undefined => {
  const plain = name.trim().toLowerCase();
  return synonyms.get(plain) ?? synonyms.get(plain.replace(behind, ''));
};

/**
 * The split whose name stands in a name between signs and digits, as in `01_train`, `train_images`, `test-set`; undefined
 * where there is none, or two that differ.
 */
export const splitInName = (name: string): string | undefined => {
  const exact = knownSplit(name);
  if (exact !== undefined) return exact;
  const candidates = new Set(words(name).flatMap((word) => synonyms.get(word) ?? []));
  return candidates.size === 1 ? [...candidates][0] : undefined;
};

const words = (name: string): string[] => name.toLowerCase().split(/[\s._\-\d]+/u);

/**
 * The name of a split as it is written: a known one, or a folder name made of the words (`Hold out` -> `hold-out`).
 * Undefined where nothing is left of it.
 */
export const canonicalSplit = (name: string): string | undefined => {
  const split = knownSplit(name);
  if (split !== undefined) return split;
  const slug = name
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9]+/gu, '-')
    .replace(/^-+|-+$/gu, '');
  return slug === '' || slug.length > 64 ? undefined : slug;
};

/** Split names without repeats: train, validation, test, then others in the order in which they came. */
export const orderSplits = (names: Iterable<string>): readonly string[] => {
  const all = [...new Set(names)];
  return [...order.filter((name) => all.includes(name)), ...all.filter((name) => !order.includes(name))];
};

/** Most different values of a split column that are kept. */
const MAX_SPLITS = 32;

/** The first split that the name of a file names, as in `train-00001.tar`, `coco.val.tar`, `test0001.tar`. */
export const splitOfFile = (name: string): string | undefined =>
  words(name)
    .map((word) => synonyms.get(word))
    .find((split) => split !== undefined);

/** Values that say something of a row's split, but not which one: numbers of folds, `is_train`, Kaggle's `Usage`. */
const isFlag = /^(?:\d+(?:\.0+)?|true|false|t|f|yes|no|y|n|public|private|ignored)$/iu;

/** How a column of splits is read. */
export interface SplitColumn {
  /** Whether samples follow it. */
  readonly followed: boolean;
  /** In the order in which they are written; none where it is not followed. */
  readonly splits: readonly string[];
  readonly notes: readonly string[];
}

/** Looks at the values of a column and says whether they name splits. */
export class SplitFinder {
  readonly #values = new Set<string>();
  /** Numbers and truth values of JSON, which name no split. */
  readonly #unnamed = new Set<string>();
  #other = 0;

  add(value: unknown): void {
    if (typeof value === 'number' || typeof value === 'boolean') this.#keep(this.#unnamed, String(value));
    const name = typeof value === 'string' ? value.trim() : '';
    if (name !== '') this.#keep(this.#values, name);
  }

  #keep(values: Set<string>, name: string): void {
    if (values.has(name) || values.size < MAX_SPLITS) values.add(name);
    else this.#other += 1;
  }

  /** @param asked whether the user named the column: it is then followed whatever it holds */
  resolve(column: string, asked: boolean): SplitColumn {
    const names = [...(this.#values.size > 0 ? this.#values : this.#unnamed)];
    if (names.length === 0) return { followed: false, splits: [], notes: [] };
    const namesSplit = names.some((name) => knownSplit(name) !== undefined);
    if (this.#values.size === 0 || (!asked && (!namesSplit || this.#other > 0))) {
      const shown = names.slice(0, 4).join(', ');
      const remedy = names.every((name) => isFlag.test(name))
        ? 'write train, validation or test for each of them to follow it'
        : 'set splitColumn to follow it all the same';
      return {
        followed: false,
        splits: [],
        notes: [
          `column "${column}" is not followed: its values (${shown}${names.length > 4 ? ', ...' : ''}) name no splits; ${remedy}`,
        ],
      };
    }
    const written = new Map<string, Set<string>>();
    for (const name of names) {
      const split = canonicalSplit(name);
      if (split !== undefined) written.set(split, (written.get(split) ?? new Set()).add(name.toLowerCase()));
    }
    const notes = [...written]
      .filter(([, list]) => list.size > 1)
      .map(([split, list]) => `${[...list].join(' and ')} of column "${column}" are both read as ${split}`);
    return { followed: true, splits: orderSplits(written.keys()), notes };
  }
}
