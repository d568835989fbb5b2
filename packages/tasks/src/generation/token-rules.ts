/**
 * Which tokens may follow a text, and at which price: limits of length, n-grams that may not come again, a penalty on
 * tokens that stand in the text already (Keskar et al. 2019, CTRL, section 4.1, here on log p, which has one sign).
 *
 * V tokens of the vocabulary
 */
import { ConfigError, StateError } from '@polygate/core';
import type { ResolvedGeneration } from './generation-options.ts';

/** A text that is being written. */
export interface TextRow {
  /** Number of the sample that it is about, from 0. */
  readonly item: number;
  /** Tokens so far, without an end. */
  readonly tokens: readonly number[];
}

/** What is known of the vocabulary. */
export interface TokenRoles {
  readonly endToken: number;
  /** Never written. @default none */
  readonly forbidden?: readonly number[] | undefined;
}

/** Tokens that would repeat a run of `length` tokens of the text. */
const closingTokens = (tokens: readonly number[], length: number): ReadonlySet<number> => {
  const closing = new Set<number>();
  // The last length - 1 tokens, and everywhere that they came before: the token behind them is shut out.
  const tail = tokens.length - (length - 1);
  for (let at = 0; length > 0 && at < tail; at += 1) {
    let same = true;
    for (let i = 0; same && i < length - 1; i += 1) same = tokens[at + i] === tokens[tail + i];
    if (same) closing.add(tokens[at + length - 1] as number);
  }
  return closing;
};

/** @throws StateError (code `logits-not-finite`) for a row with what is no log p */
const checkRow = ({ item, tokens }: TextRow, logps: Float32Array): void => {
  for (let token = 0; token < logps.length; token += 1) {
    const logp = logps[token] as number;
    if (logp < Infinity) continue;
    throw new StateError(
      `generation: expected the log-probability of every token, got ${logp} for token ${token} of sample ${item} after ${tokens.length} tokens; the model's weights or the sample are not finite: use an earlier checkpoint, or check the sample`,
      { code: 'logits-not-finite', fields: { item, token, written: tokens.length } },
    );
  }
};

const allowsNone = (logps: Float32Array): boolean => {
  for (let token = 0; token < logps.length; token += 1) {
    if ((logps[token] as number) > -Infinity) return false;
  }
  return true;
};

/**
 * log p of the next token as the rules have it, -Infinity where it may not be written.
 * @param row the text
 * @param logps [V] as the model has them; borrowed
 * @throws StateError (code `logits-not-finite`) for what is no log p; ConfigError where nothing may be written
 */
export const ruledTokens = (
  row: TextRow,
  logps: Float32Array,
  { rules, roles }: { readonly rules: ResolvedGeneration; readonly roles: TokenRoles },
): Float32Array => {
  const { minimumTokens, maximumTokens, uniqueNgram, repetitionPenalty } = rules;
  const { endToken, forbidden = [] } = roles;
  const { tokens, item } = row;
  checkRow(row, logps);
  const end = logps[endToken] ?? -Infinity;
  const ruled = logps.slice();
  // At the longest length only the end is left.
  const isFull = tokens.length + 1 >= maximumTokens;
  if (isFull) ruled.fill(-Infinity);
  else {
    if (repetitionPenalty !== 1) {
      for (const token of new Set(tokens)) ruled[token] = (ruled[token] as number) * repetitionPenalty;
    }
    for (const token of forbidden) ruled[token] = -Infinity;
    if (uniqueNgram > 0) for (const token of closingTokens(tokens, uniqueNgram)) ruled[token] = -Infinity;
  }
  // The end is at the price of the model, whatever text it ends.
  ruled[endToken] = isFull || tokens.length + 1 >= minimumTokens ? end : -Infinity;
  if (allowsNone(ruled)) {
    // Where every token is shut out by the rules, a text ends early rather than not at all.
    if (end === -Infinity || logps.length === 0) {
      throw new ConfigError(
        `generation: expected one token or more that may follow sample ${item} after ${tokens.length} tokens, got none; allow more tokens`,
      );
    }
    ruled[endToken] = end;
  }
  return ruled;
};
