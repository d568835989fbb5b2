/**
 * WordNet 3.0 with the relations between synsets, for tasks that are made of it. Source of the format: wndb(5WN); of the
 * names of lexicographer files: lexnames(5WN).
 */
import type { PackageOptions } from './fetch/package-files.ts';
import { openSource } from './packages.ts';
import { wordNet30 } from './sources/wordnet-30.ts';
import { isValidationSynset, parseSynset, wordNetParts, type Synset } from './wordnet.ts';

/** Kinds of relations that tasks use, by their signs in the files. */
const relationSigns = { '@': 'hypernym', '!': 'antonym' } as const;

/** A relation of a synset, or of one of its lemmas, to another one. */
export interface SynsetRelation {
  readonly kind: 'hypernym' | 'antonym';
  /** Id of the other synset. */
  readonly to: string;
  /** Lemmas that it is between, counted from 0; -1 for the whole synsets. */
  readonly fromLemma: number;
  readonly toLemma: number;
}

/** A synset with its place among the others. */
export interface RelatedSynset extends Synset {
  readonly part: (typeof wordNetParts)[number];
  /** Name of its lexicographer file: `animal`, `motion`; empty for adjectives, adverbs and the topmost nouns. */
  readonly topic: string;
  readonly relations: readonly SynsetRelation[];
}

/** Names of the lexicographer files of nouns (numbers 4 to 28) and verbs (29 to 43). */
export const nounTopics = [
  'act',
  'animal',
  'artifact',
  'attribute',
  'body',
  'cognition',
  'communication',
  'event',
  'feeling',
  'food',
  'group',
  'location',
  'motive',
  'object',
  'person',
  'phenomenon',
  'plant',
  'possession',
  'process',
  'quantity',
  'relation',
  'shape',
  'state',
  'substance',
  'time',
] as const;
export const verbTopics = [
  'body',
  'change',
  'cognition',
  'communication',
  'competition',
  'consumption',
  'contact',
  'creation',
  'emotion',
  'motion',
  'perception',
  'possession',
  'social',
  'stative',
  'weather',
] as const;
const FIRST_NOUN = 4;
const FIRST_VERB = FIRST_NOUN + nounTopics.length;

const topicOf = (number: number): string =>
  number < FIRST_VERB ? (nounTopics[number - FIRST_NOUN] ?? '') : (verbTopics[number - FIRST_VERB] ?? '');

const partOfSign: Readonly<Record<string, RelatedSynset['part']>> = {
  n: 'noun',
  v: 'verb',
  a: 'adj',
  s: 'adj',
  r: 'adv',
};

/** Parses one line of a data file with its relations; undefined for lines of the licence at its head. */
export const parseRelatedSynset = (part: RelatedSynset['part'], line: string): RelatedSynset | undefined => {
  const synset = parseSynset(part, line);
  if (!synset) return undefined;
  const fields = line.slice(0, line.indexOf(' | ')).split(' ');
  // Offset, file, type, number of lemmas (hexadecimal), lemmas with a number each, number of relations.
  const start = 4 + 2 * Number.parseInt(fields[3] ?? '0', 16);
  const count = Number(fields[start] ?? 0);
  const relations: SynsetRelation[] = [];
  for (let i = 0; i < count; i += 1) {
    const [sign = '', offset = '', target = '', ends = ''] = fields.slice(
      start + 1 + 4 * i,
      start + 5 + 4 * i,
    );
    const other = partOfSign[target];
    if (!Object.hasOwn(relationSigns, sign) || other === undefined) continue;
    relations.push({
      kind: relationSigns[sign as keyof typeof relationSigns],
      to: `${other}-${offset}`,
      fromLemma: Number.parseInt(ends.slice(0, 2), 16) - 1,
      toLemma: Number.parseInt(ends.slice(2), 16) - 1,
    });
  }
  return { ...synset, part, topic: topicOf(Number(fields[1])), relations };
};

/** All synsets of WordNet 3.0 in the order of its files. @throws FormatError for other package content */
export const loadRelatedSynsets = async (
  packages: PackageOptions = {},
): Promise<readonly RelatedSynset[]> => {
  const files = await openSource(wordNet30, packages);
  const synsets: RelatedSynset[] = [];
  for (const part of wordNetParts) {
    const text = (await files.read(`usr/share/wordnet/data.${part}`)).toString('utf8');
    for (const line of text.split('\n')) {
      const synset = parseRelatedSynset(part, line);
      if (synset) synsets.push(synset);
    }
  }
  return synsets;
};

/** The lemma that decides the side of a synset: the first one that is held out, else the first one. */
export const decidingLemma = ({ lemmas }: Synset): string =>
  (lemmas.find((lemma) => isValidationSynset([lemma])) ?? lemmas[0] ?? '').toLowerCase();
