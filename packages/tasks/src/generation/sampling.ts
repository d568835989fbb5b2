/**
 * Texts drawn token by token: temperature, then the K likeliest tokens (Fan et al. 2018), then the fewest likeliest tokens
 * that reach a probability together (Holtzman et al. 2020), and one draw from what is left. A text draws from a stream of
 * its own, keyed by the seed, the place of its sample and its number, so that batches change nothing.
 */
import type { Random } from '@polygate/core';
import { insertBest, type SearchOptions, type WrittenText } from './beam-search.ts';
import type { ResolvedGeneration } from './generation-options.ts';
import { ruledTokens } from './token-rules.ts';

/** A token that may be drawn, with its probability. */
export interface TokenChance {
  readonly token: number;
  readonly probability: number;
}

/**
 * What the next token is drawn from, likeliest first, the lower token of equal ones; probabilities sum to 1.
 * @param logps log p of each token, -Infinity where it may not be written; not all are
 */
export const tokenChances = (
  logps: Float32Array,
  { temperature, topK, topP }: Pick<ResolvedGeneration, 'temperature' | 'topK' | 'topP'>,
): readonly TokenChance[] => {
  const possible: number[] = [];
  logps.forEach((logp, token) => {
    if (logp > -Infinity) possible.push(token);
  });
  const logpOf = (token: number): number => logps[token] as number;
  const kept = possible.sort((a, b) => logpOf(b) - logpOf(a) || a - b).slice(0, topK);
  const top = logpOf(kept[0] as number);
  const weights = kept.map((token) => Math.exp((logpOf(token) - top) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let reached = 0;
  let length = 0;
  while (length < kept.length && (length === 0 || reached < topP * total)) {
    reached += weights[length] as number;
    length += 1;
  }
  return kept.slice(0, length).map((token, i) => ({ token, probability: (weights[i] as number) / reached }));
};

/**
 * The token at a number in [0, 1) of the distribution, whose tokens stand in the order of their ids: what two engines round
 * apart moves the bounds between tokens a little, while an order by likelihood would swap tokens that are about as likely.
 */
export const drawToken = (chances: readonly TokenChance[], at: number): number => {
  const ordered = chances.toSorted((a, b) => a.token - b.token);
  let reached = 0;
  for (const { token, probability } of ordered) {
    reached += probability;
    if (at < reached) return token;
  }
  // What rounding left over belongs to the last.
  return (ordered.at(-1) as TokenChance).token;
};

interface Draw {
  readonly item: number;
  readonly random: Random;
  tokens: number[];
  ruled: number;
  logProbability: number;
  ended: boolean;
}

/**
 * Drawn texts of every sample, best first.
 * @param random the stream of a text: sample of this call and number of the text
 * @throws as `ruledTokens`, and what `next` throws
 */
export const sampleTexts = async (
  options: SearchOptions,
  random: (item: number, text: number) => Random,
): Promise<readonly (readonly WrittenText[])[]> => {
  const { items, rules, endToken, next } = options;
  const draws = Array.from({ length: items * rules.count }, (_, i): Draw => {
    const item = Math.floor(i / rules.count);
    const stream = random(item, i % rules.count);
    return { item, random: stream, tokens: [], ruled: 0, logProbability: 0, ended: false };
  });
  for (let written = 0; written < rules.maximumTokens; written += 1) {
    const running = draws.filter(({ ended }) => !ended);
    if (running.length === 0) break;
    // Texts that are alike so far are asked about once.
    const rows = new Map<string, { readonly row: { item: number; tokens: number[] }; readonly at: number }>();
    const places = running.map(({ item, tokens }) => {
      const key = `${item}:${tokens.join(',')}`;
      const present = rows.get(key) ?? { row: { item, tokens }, at: rows.size };
      rows.set(key, present);
      return present.at;
    });
    const all = await next(Array.from(rows.values(), ({ row }) => row));
    const size = all.length / rows.size;
    running.forEach((draw, i) => {
      const at = places[i] as number;
      const logps = all.subarray(at * size, (at + 1) * size);
      const ruled = ruledTokens(draw, logps, { rules, roles: options });
      const token = drawToken(tokenChances(ruled, rules), draw.random.next());
      draw.ruled += ruled[token] as number;
      draw.logProbability += logps[token] as number;
      if (token === endToken) draw.ended = true;
      else draw.tokens = [...draw.tokens, token];
    });
  }
  const texts: WrittenText[][] = Array.from({ length: items }, () => []);
  for (const { item, tokens, ruled, logProbability } of draws) {
    const score = ruled / (tokens.length + 1) ** rules.lengthPenalty;
    insertBest(texts[item] as WrittenText[], { tokens, score, logProbability }, rules.count);
  }
  return texts;
};
