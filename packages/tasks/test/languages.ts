/** Made-up languages for tests of generation: log-probabilities that are a pure function of sample and tokens. */
import { createRandom } from '@polygate/core';
import type { NextTokens } from '../src/generation/beam-search.ts';
import { resolveGeneration, type GenerationOptions } from '../src/generation/generation-options.ts';
import type { TextRow } from '../src/generation/token-rules.ts';

export const END = 0;

export type Language = (row: TextRow) => readonly number[];

/** A language of `size` tokens, drawn. */
export const drawnLanguage =
  (seed: number, size: number): Language =>
  ({ item, tokens }) => {
    let random = createRandom(seed).fork(item);
    for (const token of tokens) random = random.fork(token);
    const logits = Array.from({ length: size }, () => 2 * random.normal());
    const sum = Math.log(logits.reduce((total, logit) => total + Math.exp(logit), 0));
    return logits.map((logit) => Math.fround(logit - sum));
  };

/** A language by its probabilities. */
export const tableLanguage =
  (probabilities: (tokens: readonly number[]) => readonly number[]): Language =>
  ({ tokens }) =>
    probabilities(tokens).map(Math.log);

export const nextOf =
  (language: Language): NextTokens =>
  (rows) =>
    Promise.resolve(Float32Array.from(rows.flatMap((row) => [...language(row)])));

/** Settings as a search takes them. */
export const search = (
  language: Language,
  { items = 1, forbidden, ...rules }: GenerationOptions & { items?: number; forbidden?: readonly number[] },
) => ({
  items,
  endToken: END,
  ...(forbidden ? { forbidden } : {}),
  next: nextOf(language),
  rules: resolveGeneration(64, rules),
});

/** Every text that may be written, best first, by brute force. */
export const allTexts = (
  language: Language,
  { size, item, ...rules }: GenerationOptions & { size: number; item: number },
) => {
  const { maximumTokens, minimumTokens, lengthPenalty } = resolveGeneration(64, rules);
  const texts: { tokens: readonly number[]; score: number; logProbability: number }[] = [];
  const grow = (tokens: readonly number[], logp: number): void => {
    const logps = language({ item, tokens });
    const count = tokens.length + 1;
    if (count >= minimumTokens || count === maximumTokens) {
      const logProbability = logp + (logps[END] as number);
      texts.push({ tokens, score: logProbability / count ** lengthPenalty, logProbability });
    }
    if (count >= maximumTokens) return;
    for (let token = 1; token < size; token += 1) grow([...tokens, token], logp + (logps[token] as number));
  };
  grow([], 0);
  return texts.sort((a, b) => b.score - a.score);
};
