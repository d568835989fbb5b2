/**
 * WordNet synsets as lines of text: `lemma, lemma: definition; "example"`. Source of the format: wndb(5WN).
 * A synset with any lemma on the validation side (by hash) is validation, so that no gloss of such a lemma is in
 * training; what training shares word for word with validation is left out and counted.
 */
import { fault, type Reader, type ReaderItem, type Sample } from '../samples/sample.ts';
import { bucketOf } from '../splits/split.ts';
import { openSource, type PackageOptions } from './packages.ts';
import { wordNet } from './sources/wordnet.ts';

/** A synset: words of one meaning. */
export interface Synset {
  /** Part of speech and byte offset in its file, e.g. `noun-00001740`. */
  readonly id: string;
  /** As in the file: case kept, `_` for a space. */
  readonly lemmas: readonly string[];
  readonly definition: string;
  readonly examples: readonly string[];
}

export interface WordNetOptions {
  /** Percentage of lemmas whose synsets are validation. @default 10 */
  readonly validationPercent?: number;
  /** Every n-th synset is used, for fast tests. @default 1 */
  readonly every?: number;
}

/** WordNet text with its reader. */
export interface WordNetSet {
  readonly reader: Reader;
  splitOf(sample: Sample): 'train' | 'validation';
}

/** Parts of speech, as the data files are called. */
export const wordNetParts = ['noun', 'verb', 'adj', 'adv'] as const;

/** Parses one line of a data file; undefined for the lines of the licence at its head. */
export const parseSynset = (part: string, line: string): Synset | undefined => {
  const bar = line.indexOf(' | ');
  if (!/^\d{8} /u.test(line) || bar < 0) return undefined;
  const fields = line.slice(0, bar).split(' ');
  const count = Number.parseInt(fields[3] ?? '', 16);
  const lemmas: string[] = [];
  for (let i = 0; i < count; i += 1) {
    // Adjectives may carry a syntactic marker: "galore(ip)".
    const lemma = fields[4 + 2 * i]?.replace(/\((?:a|p|ip)\)$/u, '');
    if (lemma) lemmas.push(lemma);
  }
  const gloss = line.slice(bar + 3).trim();
  const examples = [...gloss.matchAll(/"([^"]+)"/gu)].map((match) => (match[1] ?? '').trim());
  const quote = gloss.indexOf('"');
  const definition = (quote < 0 ? gloss : gloss.slice(0, quote)).replace(/[;:,\s]+$/u, '');
  return { id: `${part}-${fields[0] ?? ''}`, lemmas, definition, examples };
};

/** Whether any lemma is on the validation side. The key is the lemma in lower case. */
export const isValidationSynset = (lemmas: readonly string[], percent = 10): boolean =>
  lemmas.some((lemma) => bucketOf(lemma.toLowerCase()) < percent);

const lineOf = (synset: Synset, examples: readonly string[]): string =>
  `${synset.lemmas.map((lemma) => lemma.replaceAll('_', ' ')).join(', ')}: ${[synset.definition, ...examples.map((text) => `"${text}"`)].join('; ')}`;

/** Loads WordNet. @throws FormatError for other package content */
export const loadWordNet = async (
  options: WordNetOptions = {},
  packages: PackageOptions = {},
): Promise<WordNetSet> => {
  const files = await openSource(wordNet, packages);
  const percent = options.validationPercent ?? 10;
  const synsets: Synset[] = [];
  let seen = 0;
  for (const part of wordNetParts) {
    const text = (await files.read(`dict/data.${part}`)).toString('utf8');
    for (const line of text.split('\n')) {
      const synset = parseSynset(part, line);
      if (!synset) continue;
      if (seen % (options.every ?? 1) === 0) synsets.push(synset);
      seen += 1;
    }
  }
  return wordNetSet(synsets, percent);
};

/**
 * Synsets as lines of text, with their sides.
 * @param keyOf as what texts are compared with held-out ones
 */
export const wordNetSet = (
  synsets: readonly Synset[],
  percent = 10,
  keyOf = (text: string): string => text,
): WordNetSet => {
  const held = synsets.filter(({ lemmas }) => isValidationSynset(lemmas, percent));
  const heldIds = new Set(held.map(({ id }) => id));
  const heldTexts = new Set(held.flatMap(({ definition, examples }) => [definition, ...examples].map(keyOf)));
  return {
    reader: {
      name: 'wordnet',
      async *read(): AsyncGenerator<ReaderItem> {
        for (const synset of synsets) {
          const id = synset.id;
          const extra = { source: 'wordnet' };
          if (heldIds.has(id)) {
            yield { kind: 'sample', id, texts: [lineOf(synset, synset.examples)], extra };
          } else if (heldTexts.has(keyOf(synset.definition))) {
            yield fault(
              id,
              'shared-with-validation',
              'expected a gloss of its own, got one of a validation synset',
            );
          } else {
            const examples = synset.examples.filter((text) => !heldTexts.has(keyOf(text)));
            yield { kind: 'sample', id, texts: [lineOf(synset, examples)], extra };
          }
        }
      },
    },
    splitOf: (sample) => (heldIds.has(sample.id) ? 'validation' : 'train'),
  };
};
