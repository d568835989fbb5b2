/** Names of classes: those found in data in one fixed order, and names that a reader of text can't tell apart. */
import { ConfigError, excerpt } from '@polygate/core';

/** Most different labels that are collected from a source. */
export const MAX_FOUND_CLASSES = 10_000;

const isCount = (name: string): boolean => /^(?:0|[1-9]\d{0,14})$/u.test(name);

/** Whether all names are whole numbers: indices that somebody wrote instead of names. */
export const areIndices = (names: readonly string[]): boolean => names.length > 0 && names.every(isCount);

/** Classes found in data in label order: whole numbers by value, names in code-unit order. */
export const sortClasses = (names: Iterable<string>): string[] => {
  const list = [...new Set(names)];
  return areIndices(list) ? list.sort((a, b) => Number(a) - Number(b)) : list.sort();
};

/** Collects the labels of a source. @throws ConfigError beyond {@link MAX_FOUND_CLASSES} */
export class ClassFinder {
  readonly #names = new Set<string>();
  readonly #what: string;

  /** @param what the source, for the error */
  constructor(what: string) {
    this.#what = what;
  }

  add(name: string): void {
    this.#names.add(name.normalize('NFC'));
    if (this.#names.size > MAX_FOUND_CLASSES) {
      throw new ConfigError(
        `${this.#what}: expected at most ${MAX_FOUND_CLASSES} different labels, got more, ${excerpt(name)} among them; is this the label? Else give classes`,
        { code: 'too-many-classes' },
      );
    }
  }

  /** The names in label order. */
  classes(): readonly string[] {
    return sortClasses(this.#names);
  }
}

/** A name as it reads without signs: letters, digits and symbols, in lower case. A name of signs alone stays. */
const reading = (name: string): string => {
  const plain = name.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
  if (/^[-+]?\d*\.?\d+$/u.test(plain)) return plain;
  const words = plain.replace(/[\p{P}\s]+/gu, ' ').trim();
  return words === '' ? plain : words;
};

/** Two names that differ in signs and letter case alone: they are read as text. */
export const namesAlike = (names: readonly string[]): readonly [string, string] | undefined => {
  const seen = new Map<string, string>();
  for (const name of names) {
    const key = reading(name);
    const other = seen.get(key);
    if (other !== undefined) return [other, name];
    seen.set(key, name);
  }
  return undefined;
};

/**
 * Checks that every class has a name and that names differ by more than signs and letter case: they are read as text.
 * @throws ConfigError naming two that read the same
 */
export const checkClassNames = (classes: readonly string[], what: string): void => {
  if (classes.some((name) => reading(name) === '')) {
    throw new ConfigError(`${what}: expected names for all classes, got an empty one; name it in classes`, {
      code: 'class-name',
    });
  }
  const alike = namesAlike(classes);
  if (!alike) return;
  throw new ConfigError(
    `${what}: expected class names that differ in letters or digits, got ${excerpt(alike[0])} and ${excerpt(alike[1])}, which read the same; give other names, or both the same one to make one class of them (classNames; in tables of texts labels and classes)`,
    { code: 'class-names', fields: { names: alike } },
  );
};

/**
 * The text of a label as data has it, in one Unicode form: a name, a whole number or a truth value; undefined where it is
 * none of these.
 */
export const labelName = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value.trim() === '' ? undefined : value.trim().normalize('NFC');
  const plain = typeof value === 'boolean' || (typeof value === 'number' && Number.isSafeInteger(value));
  return plain ? String(value) : undefined;
};

/**
 * Looks labels up in classes. Names are looked for first; where the classes were given by the user, a whole number that
 * is no name counts as an index from 0. Found classes have no indices: a number among them is a name.
 */
export const createLabelIndex = (
  classes: readonly string[],
  options: { readonly given: boolean },
): ((value: unknown) => number | undefined) => {
  const byName = new Map(classes.map((name, index) => [name.normalize('NFC'), index]));
  return (value) => {
    const name = labelName(value);
    if (name === undefined) return undefined;
    const index = typeof value === 'number' && options.given ? undefined : byName.get(name);
    // Tables of floating-point columns have indices as 1.0.
    const whole = name.replace(/\.0+$/u, '');
    if (index !== undefined || !options.given || !isCount(whole)) return index;
    return Number(whole) < classes.length ? Number(whole) : undefined;
  };
};
