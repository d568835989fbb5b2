/**
 * METEOR 1.5 (Denkowski and Lavie, 2014) with its parameters for English: a harmonic mean of precision and recall of the
 * aligned words, content words weighted above function words, times a penalty for chunks.
 *
 * The published score also matches synonyms (WordNet) and paraphrases. Their tables are not ours to ship: without them
 * exact words and stems alone are matched, which is another, lower score. pycocoevalcap brings the tables
 * ({@link MeteorTables}); with them scores are those of its jar.
 */
import { ConfigError, ShapeError } from '@polygate/core';
import type { CaptionPair, WordSplitter } from './caption-words.ts';
import { englishStem } from './english-stems.ts';
import { alignWords, matchers, type AlignedMatch, type WordRelations } from './meteor-alignment.ts';
import { meteorWords } from './meteor-words.ts';

const alpha = 0.85;
const beta = 0.2;
const gamma = 0.6;
const delta = 0.75;
/** Of exact words, stems, synonyms, paraphrases. */
const weights = [1, 0.6, 0.8, 0.6] as const;

/** What METEOR counts as function words in English: the words above a frequency of 10^-3, marks among them. */
const functionWords: ReadonlySet<string> = new Set(
  (
    'the , . to of and a in that for " is on \'s it with was as said at he by be from have has are his but an this not i ' +
    'will ’ they ) -rrb- ( -lrb- who their had we which were been more or s its would about new one after you : also up ' +
    'when there than $ all out her people she year two - can if last first “ over other ” into some what so -- no time ' +
    "years could ? 't — '"
  ).split(' '),
);

/** Tables of synonyms and paraphrases, see `meteorSynonyms` and `meteorParaphrases`. */
export type MeteorTables = Omit<WordRelations, 'stem'>;

/**
 * Additive counts of one candidate against one reference: for candidate and reference words, function words, matched words,
 * and matches of each matcher of content and of function words; then chunks. Sums of them give a corpus's score.
 */
export type MeteorCounts = Float64Array;

const side = { words: 0, functionWords: 1, matched: 2, content: 3, function: 7 } as const;
const SIDE = 11;
const CHUNKS = 2 * SIDE;
const LENGTH = CHUNKS + 1;

const chunksOf = (matches: readonly AlignedMatch[]): number => {
  let chunks = 0;
  let last: AlignedMatch | undefined;
  for (const match of matches) {
    const follows =
      last !== undefined &&
      match.start === last.start + last.length &&
      match.otherStart === last.otherStart + last.otherLength;
    if (!follows) chunks += 1;
    last = match;
  }
  return chunks;
};

const countsOf = (
  candidate: readonly string[],
  reference: readonly string[],
  relations: WordRelations,
): MeteorCounts => {
  const counts = new Float64Array(LENGTH);
  const matches = alignWords(candidate, reference, relations);
  const add = (start: number, index: number): void => {
    counts[start + index] = (counts[start + index] ?? 0) + 1;
  };
  for (const [start, words] of [
    [0, candidate],
    [SIDE, reference],
  ] as const) {
    counts[start] = words.length;
    counts[start + side.functionWords] = words.filter((word) => functionWords.has(word)).length;
    for (const match of matches) {
      const [first, length] =
        start === 0 ? [match.otherStart, match.otherLength] : [match.start, match.length];
      for (const word of words.slice(first, first + length)) {
        add(start, side.matched);
        add(start, (functionWords.has(word) ? side.function : side.content) + match.matcher);
      }
    }
  }
  // A text that is matched whole and in one piece is not in pieces, nor is a corpus for it.
  const whole = counts[side.matched] === candidate.length && counts[SIDE + side.matched] === reference.length;
  const chunks = chunksOf(matches);
  counts[CHUNKS] = whole && chunks === 1 ? 0 : chunks;
  return counts;
};

/** METEOR of summed counts. */
export const meteorOfCounts = (counts: MeteorCounts): number => {
  const at = (index: number): number => counts[index] ?? 0;
  const shareOf = (start: number): number => {
    const total =
      delta * (at(start) - at(start + side.functionWords)) + (1 - delta) * at(start + side.functionWords);
    let matched = 0;
    for (const [matcher, weight] of weights.entries()) {
      matched +=
        weight *
        (delta * at(start + side.content + matcher) + (1 - delta) * at(start + side.function + matcher));
    }
    return total === 0 ? 0 : matched / total;
  };
  const [precision, recall] = [shareOf(0), shareOf(SIDE)];
  if (precision === 0 || recall === 0) return 0;
  const mean = 1 / ((1 - alpha) / precision + alpha / recall);
  const [candidate, reference] = [at(side.matched), at(SIDE + side.matched)];
  const fragments = at(CHUNKS) / ((candidate + reference) / 2);
  return Math.max(0, mean * (1 - gamma * fragments ** beta));
};

export interface MeteorOptions {
  /** @default none: exact words and stems alone */
  readonly tables?: MeteorTables | undefined;
  /** @default meteorWords */
  readonly words?: WordSplitter;
}

export interface MeteorScores {
  /** METEOR of the summed counts, which is what pycocoevalcap reports; no mean of the samples. */
  readonly value: number;
  /** [N] */
  readonly perSample: Float64Array;
  /** [N] counts of each sample with its best reference; {@link meteorOfCounts} of their sum is the value. */
  readonly counts: readonly MeteorCounts[];
  /** Which matchers took part. */
  readonly matchers: readonly string[];
}

/** Sum of the counts of the given samples. @param indices @default all */
export const sumMeteorCounts = (
  counts: readonly MeteorCounts[],
  indices?: ArrayLike<number>,
): MeteorCounts => {
  const sum = new Float64Array(LENGTH);
  const length = indices?.length ?? counts.length;
  for (let i = 0; i < length; i += 1) {
    const own = counts[indices?.[i] ?? i];
    for (let k = 0; k < LENGTH; k += 1) sum[k] = (sum[k] ?? 0) + (own?.[k] ?? 0);
  }
  return sum;
};

/**
 * METEOR of a corpus; of several references of a sample the one with the best score counts.
 * @throws ShapeError for no pairs; ConfigError for a pair without references
 */
export const meteor = (pairs: readonly CaptionPair[], options: MeteorOptions = {}): MeteorScores => {
  const { tables = {}, words = meteorWords } = options;
  if (pairs.length === 0) {
    throw new ShapeError('meteor: expected at least one pair, got none; is the split empty?');
  }
  const stems = new Map<string, string>();
  const stem = (word: string): string => {
    const before = stems.get(word);
    if (before !== undefined) return before;
    const made = englishStem(word);
    stems.set(word, made);
    return made;
  };
  const relations: WordRelations = { ...tables, stem };
  const perSample = new Float64Array(pairs.length);
  const counts = pairs.map(({ candidate, references }, i) => {
    const cut = words(candidate);
    let best: MeteorCounts | undefined;
    for (const reference of references) {
      const counted = countsOf(cut, words(reference), relations);
      const score = meteorOfCounts(counted);
      if (best && !(score > (perSample[i] ?? 0))) continue;
      best = counted;
      perSample[i] = score;
    }
    if (best) return best;
    throw new ConfigError(
      `meteor: expected at least one reference for each sample, got none for sample ${i}`,
    );
  });
  return Object.freeze({
    value: meteorOfCounts(sumMeteorCounts(counts)),
    perSample,
    counts,
    matchers: matchers.filter(
      (name) =>
        name === 'exact' ||
        name === 'stem' ||
        (name === 'synonym' ? tables.synonymSets : tables.paraphrases) !== undefined,
    ),
  });
};
