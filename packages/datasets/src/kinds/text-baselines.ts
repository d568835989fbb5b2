/**
 * Baselines of labelled texts that need no model, from their written rows: naive Bayes over words, also of the second text
 * of a pair alone (what the first one adds is then seen), and for two classes a threshold on the words that a pair shares.
 */
import { accuracy, naiveBayesLabels } from '@polygate/evaluation';
import { hasColumn, listRow, values } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';
import { splitFolder, type BaselineScores } from '../suite/suite.ts';
import type { BaselineContext } from './dataset-kind.ts';
import { labelBaselines } from './label-baselines.ts';
import { readRows } from './written-rows.ts';

/** Training rows beyond which the rest is not counted. */
const MAX_ROWS = 200_000;

interface LabelledWords {
  /** Words of each of a row's texts. */
  readonly texts: readonly (readonly string[])[];
  readonly label: number;
}

const wordsOf = (ids: Iterable<number>, tokenizer: Tokenizer): string[] =>
  tokenizer
    .decode(Array.from(ids, Number))
    .toLowerCase()
    .match(/[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*/gu) ?? [];

const readWords = (folder: string, tokenizer: Tokenizer): Promise<LabelledWords[]> =>
  readRows(folder, (batch, row) => ({
    texts: ['tokens', 'tokens_b']
      .filter((column) => hasColumn(batch, column))
      .map((column) => wordsOf(listRow(batch, column, row) as Iterable<number>, tokenizer)),
    label: Number(values(batch, 'label')[row] ?? -1),
  }));

/** Share of right answers of naive Bayes over the chosen texts of each row. */
const bayes = (
  train: readonly LabelledWords[],
  asked: readonly LabelledWords[],
  {
    classes,
    textOf,
  }: { readonly classes: number; readonly textOf: (row: LabelledWords) => readonly string[] },
): number => {
  const ids = new Map<string, number>();
  const idOf = (word: string): number => {
    const id = ids.get(word);
    if (id !== undefined) return id;
    ids.set(word, ids.size);
    return ids.size - 1;
  };
  const tokens = train.map((row) => textOf(row).map(idOf));
  const labels = train.map(({ label }) => label);
  // A word that no training text has says nothing.
  const texts = asked.map((row) => textOf(row).flatMap((word) => ids.get(word) ?? []));
  const answers = naiveBayesLabels({ tokens, labels }, texts, { classes, size: Math.max(1, ids.size) });
  return accuracy(
    answers,
    asked.map(({ label }) => label),
  ).value;
};

/** Share of words of two texts that both have (Jaccard). */
export const sharedWords = (a: readonly string[], b: readonly string[]): number => {
  const [left, right] = [new Set(a), new Set(b)];
  const both = [...left].filter((word) => right.has(word)).length;
  return both / Math.max(1, left.size + right.size - both);
};

/** The threshold and side of a number that fit labels 0 and 1 best. */
export const bestThreshold = (
  numbers: readonly number[],
  labels: readonly number[],
): { readonly threshold: number; readonly above: number } => {
  const sorted = numbers
    .map((number, i) => ({ number, label: labels[i] ?? 0 }))
    .sort((a, b) => a.number - b.number);
  const ones = labels.filter((label) => label === 1).length;
  // All above the first threshold: right are those of the class that is answered above.
  let best = {
    right: Math.max(ones, labels.length - ones),
    threshold: -Infinity,
    above: ones * 2 >= labels.length ? 1 : 0,
  };
  let [zerosBelow, onesBelow] = [0, 0];
  for (const [i, { number, label }] of sorted.entries()) {
    if (label === 1) onesBelow += 1;
    else zerosBelow += 1;
    const next = sorted[i + 1]?.number;
    if (next === undefined || next === number) continue;
    const oneAbove = zerosBelow + (ones - onesBelow);
    for (const [above, right] of [
      [1, oneAbove],
      [0, labels.length - oneAbove],
    ] as const) {
      if (right > best.right) best = { right, threshold: (number + next) / 2, above };
    }
  }
  return { threshold: best.threshold, above: best.above };
};

const overlap = (train: readonly LabelledWords[], asked: readonly LabelledWords[]): number => {
  const share = ({ texts: [a = [], b = []] }: LabelledWords): number => sharedWords(a, b);
  const { threshold, above } = bestThreshold(
    train.map(share),
    train.map(({ label }) => label),
  );
  const answers = asked.map((row) => (share(row) > threshold ? above : 1 - above));
  return accuracy(
    answers,
    asked.map(({ label }) => label),
  ).value;
};

/** Chance and majority of each held-out split, and what word counts alone tell. */
export const textBaselines = async (context: BaselineContext): Promise<Record<string, BaselineScores>> => {
  const { directory, dataset, tokenizer } = context;
  const out: Record<string, BaselineScores> = await labelBaselines(context);
  const classes = Math.max(1, dataset.classes?.length ?? 1);
  const train = (await readWords(splitFolder(directory, dataset, 'train'), tokenizer)).slice(0, MAX_ROWS);
  if (train.length === 0) return out;
  for (const split of Object.keys(out)) {
    const asked = await readWords(splitFolder(directory, dataset, split), tokenizer);
    const pairs = (asked[0]?.texts.length ?? 0) > 1;
    out[split] = {
      ...out[split],
      naiveBayes: bayes(train, asked, { classes, textOf: ({ texts }) => texts.flat() }),
      ...(pairs
        ? { naiveBayesSecondText: bayes(train, asked, { classes, textOf: ({ texts }) => texts[1] ?? [] }) }
        : {}),
      ...(pairs && classes === 2 ? { wordOverlap: overlap(train, asked) } : {}),
    };
  }
  return out;
};
