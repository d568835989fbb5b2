/**
 * Reads the tables of METEOR 1.5 in the forms of its distribution, which pycocoevalcap holds: `synonym/english.exceptions`
 * and `synonym/english.synsets` in `meteor-1.5.jar`, and `data/paraphrase-en.gz`. Texts come unpacked, line by line.
 */
import { FormatError } from '@polygate/core';
import type { MeteorTables } from './meteor.ts';

/** What stands for the ends of inflected words, in the order in which they are tried (WordNet's morphology). */
const inflections: readonly (readonly [ending: string, base: string])[] = [
  ['s', ''],
  ['ses', 's'],
  ['xes', 'x'],
  ['zes', 'z'],
  ['ches', 'ch'],
  ['shes', 'sh'],
  ['men', 'man'],
  ['ies', 'y'],
  ['s', ''],
  ['ies', 'y'],
  ['es', 'e'],
  ['es', ''],
  ['ed', 'e'],
  ['ed', ''],
  ['ing', 'e'],
  ['ing', ''],
  ['er', ''],
  ['est', ''],
  ['er', 'e'],
  ['est', 'e'],
];

/** Pairs of lines. @throws FormatError for an odd number */
function* linePairs(name: string, text: string): Generator<readonly [string, string]> {
  const lines = text.split(/\r?\n/u);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length % 2 !== 0) {
    throw new FormatError(`${name}: expected lines in pairs, got ${lines.length}; is the file whole?`);
  }
  for (let i = 0; i < lines.length; i += 2) yield [lines[i] ?? '', lines[i + 1] ?? ''];
}

const cut = (line: string): readonly string[] => line.split(/\s+/u).filter((word) => word !== '');

/**
 * Sets of synonyms of words and of what they are inflected from.
 * @param exceptions base and its irregular forms, each on a line
 * @param synsets word and the numbers of its sets, each on a line
 * @throws FormatError for lines that are not in pairs and for sets that are no numbers
 */
export const meteorSynonyms = (
  exceptions: string,
  synsets: string,
): Required<Pick<MeteorTables, 'synonymSets'>> => {
  const bases = new Map<string, string[]>();
  for (const [base, forms] of linePairs('english.exceptions', exceptions)) {
    for (const form of cut(forms)) bases.set(form, [...(bases.get(form) ?? []), base]);
  }
  const sets = new Map<string, readonly number[]>();
  for (const [word, numbers] of linePairs('english.synsets', synsets)) {
    const parsed = cut(numbers).map(Number);
    if (!parsed.every((number) => Number.isInteger(number))) {
      throw new FormatError(`english.synsets: expected numbers below "${word}", got "${numbers}"`);
    }
    sets.set(word, parsed);
  }
  const baseOf = (word: string): string | undefined => {
    if (word.length <= 2 || word.endsWith('ss')) return word;
    for (const [ending, base] of inflections) {
      const changed = word.endsWith(ending) ? word.slice(0, -ending.length) + base : word;
      if (changed !== word && sets.has(changed)) return changed;
    }
    return undefined;
  };
  const made = new Map<string, ReadonlySet<number>>();
  return {
    synonymSets: (word) => {
      const before = made.get(word);
      if (before) return before;
      const words = [word, ...(bases.get(word) ?? [baseOf(word) ?? ''])];
      const all = new Set(words.flatMap((each) => sets.get(each) ?? []));
      made.set(word, all);
      return all;
    },
  };
};

/**
 * Paraphrases among words of a vocabulary, from the lines of the table: probability, phrase, what stands for it. The table
 * is far larger than what the texts of a corpus can use of it.
 * @param vocabulary words of all texts that will be compared
 * @throws FormatError for a table that ends within an entry
 */
export const meteorParaphrases = async (
  lines: AsyncIterable<string> | Iterable<string>,
  vocabulary: ReadonlySet<string>,
): Promise<Required<Pick<MeteorTables, 'paraphrases' | 'longestPhrase'>>> => {
  const table = new Map<string, string[]>();
  let longestPhrase = 1;
  let entry: string[] = [];
  for await (const line of lines) {
    entry.push(line);
    if (entry.length < 3) continue;
    const [phrase = [], other = []] = entry.slice(1).map(cut);
    entry = [];
    if (![...phrase, ...other].every((word) => vocabulary.has(word))) continue;
    const key = phrase.join(' ');
    table.set(key, [...(table.get(key) ?? []), other.join(' ')]);
    longestPhrase = Math.max(longestPhrase, phrase.length);
  }
  if (entry.length > 0) {
    throw new FormatError(
      `paraphrases: expected entries of three lines, got ${entry.length} more at the end; is the file whole?`,
    );
  }
  return { paraphrases: (phrase) => table.get(phrase) ?? [], longestPhrase };
};
