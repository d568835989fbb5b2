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
  const bad = logps.findIndex((logp) => Number.isNaN(logp) || logp === Infinity);
  if (bad >= 0) {
    throw new StateError(
      `generation: expected the log-probability of every token, got ${logps[bad]} for token ${bad} of sample ${item} after ${tokens.length} tokens; the model's weights or the sample are not finite: use an earlier checkpoint, or check the sample`,
      { code: 'logits-not-finite', fields: { item, token: bad, written: tokens.length } },
    );
  }
  const end = logps[endToken] ?? -Infinity;
  // At the longest length only the end is left.
  const isFull = tokens.length + 1 >= maximumTokens;
  const ruled = isFull ? new Float32Array(logps.length).fill(-Infinity) : Float32Array.from(logps);
  if (!isFull) {
    if (repetitionPenalty !== 1) {
      for (const token of new Set(tokens)) ruled[token] = (ruled[token] as number) * repetitionPenalty;
    }
    for (const token of forbidden) ruled[token] = -Infinity;
    for (const token of uniqueNgram > 0 ? closingTokens(tokens, uniqueNgram) : []) ruled[token] = -Infinity;
  }
  ruled[endToken] = isFull || tokens.length + 1 >= minimumTokens ? end : -Infinity;
  if (ruled.every((logp) => logp === -Infinity)) {
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
