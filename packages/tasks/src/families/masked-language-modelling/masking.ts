/**
 * Whole-word masking for masked language modelling: each word is chosen with probability 0.15; of the chosen, 80 % have
 * all pieces replaced by the mask token, 10 % each piece by a random id of the vocabulary, 10 % stay as they are
 * (Uni-Perceiver-MoE pre-training; the split is BERT's).
 */
import { ShapeError, type Random } from '@polygate/core';

export interface MaskingOptions {
  readonly random: Random;
  /** Id that stands for a hidden piece. */
  readonly maskToken: number;
  /** Ids that are never chosen and that end a word, such as the end token. */
  readonly fixedTokens: readonly number[];
  /** Random replacements are drawn from 0..vocabularySize-1. */
  readonly vocabularySize: number;
  /** Probability of choosing a word. @default 0.15 */
  readonly rate?: number;
  /** Share of chosen words that are hidden, and that are replaced; the rest is kept. @default [0.8, 0.1] */
  readonly shares?: readonly [hidden: number, replaced: number];
}

export interface MaskedText {
  /** The text with changed pieces; same length. */
  readonly ids: Int32Array;
  /** Chosen positions, rising. */
  readonly positions: Int32Array;
  /** The true id at each chosen position. */
  readonly labels: Int32Array;
}

/** Words as spans of pieces: runs of equal word index, cut at fixed tokens, which belong to no word. */
export const wordSpans = (
  tokens: ArrayLike<number>,
  words: ArrayLike<number>,
  fixedTokens: readonly number[],
): readonly (readonly [start: number, end: number])[] => {
  if (tokens.length !== words.length) {
    throw new ShapeError(
      `wordSpans: expected one word index per token (${tokens.length}), got ${words.length}; prepare the data again`,
    );
  }
  const spans: [number, number][] = [];
  let open = false;
  for (let i = 0; i < tokens.length; i += 1) {
    const last = spans.at(-1);
    if (fixedTokens.includes(tokens[i] ?? -1)) {
      open = false;
    } else if (open && last && words[i] === words[i - 1]) {
      last[1] = i + 1;
    } else {
      spans.push([i, i + 1]);
      open = true;
    }
  }
  return spans;
};

/**
 * Masks one text. At least one word is chosen when there is one, so that no row is without a query.
 * @throws ShapeError when tokens and words differ in length
 */
export const maskWords = (
  tokens: ArrayLike<number>,
  words: ArrayLike<number>,
  options: MaskingOptions,
): MaskedText => {
  const { random, maskToken, fixedTokens, vocabularySize, rate = 0.15, shares = [0.8, 0.1] } = options;
  const spans = wordSpans(tokens, words, fixedTokens);
  const chosen = spans.filter(() => random.next() < rate);
  if (chosen.length === 0 && spans.length > 0) {
    const forced = spans[random.integer(spans.length)];
    if (forced) chosen.push(forced);
  }
  const ids = Int32Array.from(tokens);
  const positions: number[] = [];
  const labels: number[] = [];
  for (const [start, end] of chosen) {
    const fate = random.next();
    for (let i = start; i < end; i += 1) {
      positions.push(i);
      labels.push(tokens[i] ?? 0);
      if (fate < shares[0]) ids[i] = maskToken;
      else if (fate < shares[0] + shares[1]) ids[i] = random.integer(vocabularySize);
    }
  }
  return { ids, positions: Int32Array.from(positions), labels: Int32Array.from(labels) };
};
