/**
 * Beam search over words, for many images at once; knows nothing of models.
 *
 * I images · K beams · V words · t words written so far (the same for all running beams)
 *
 * score(text) = sum of log p(word) / (number of words, end token included) ** lengthPenalty.
 * Finished texts leave the beam, so it always explores K running ones. An image is done when it has K finished texts and
 * no running one beats the worst of them, or at the word limit. Departs from the published captioner, which keeps finished
 * texts in the beam and so explores fewer.
 */
import { ConfigError } from '@polygate/core';

/** A text that is still being written. */
export interface BeamRow {
  /** Image, 0 to I-1. */
  readonly item: number;
  readonly words: readonly number[];
}

export interface BeamOptions {
  /** I */
  readonly items: number;
  /** K. @default 3 */
  readonly beam?: number;
  /** Most words, end token included. @default 32 */
  readonly maximumTokens?: number;
  /** 0 sums, 1 is the mean of log p; above 1 favours long texts. @default 1 */
  readonly lengthPenalty?: number;
  /**
   * When a running text counts as beaten: `now` compares it as it stands; `ever` only when no end that it may still find
   * could win, which with a length penalty hardly stops before the word limit. @default 'now'
   */
  readonly stop?: 'now' | 'ever';
  readonly endToken: number;
  /** Words that are never written. @default none */
  readonly forbidden?: readonly number[];
  /** Log-probabilities of the next word, [rows * V]. Rows have equal numbers of words. */
  readonly next: (rows: readonly BeamRow[]) => Promise<Float32Array>;
}

export interface BeamText {
  /** Without the end token. */
  readonly words: readonly number[];
  readonly score: number;
}

interface Running {
  readonly words: readonly number[];
  readonly logp: number;
}

/** Keeps `best` sorted, best first, at most `size` long. */
const insert = <A>(best: A[], entry: A, options: { size: number; value: (entry: A) => number }): void => {
  const { size, value } = options;
  const last = best.at(-1);
  if (best.length >= size && last !== undefined && value(last) >= value(entry)) return;
  let at = best.length;
  while (at > 0 && value(best[at - 1] as A) < value(entry)) at -= 1;
  best.splice(at, 0, entry);
  if (best.length > size) best.pop();
};

/** Texts that are followed, and the words of one: more are nobody's caption. */
const MAX_BEAM = 1024;
const MAX_TOKENS = 2 ** 16;

const isCount = (value: number, most: number): boolean =>
  Number.isInteger(value) && value >= 1 && value <= most;

/** The K best texts of every image, best first. @throws ConfigError for settings below 1 */
export const beamSearch = async (options: BeamOptions): Promise<readonly (readonly BeamText[])[]> => {
  const { items, beam = 3, maximumTokens = 32, lengthPenalty = 1, endToken, forbidden = [], next } = options;
  const { stop = 'now' } = options;
  if (!(isCount(beam, MAX_BEAM) && isCount(maximumTokens, MAX_TOKENS))) {
    throw new ConfigError(
      `beam search: expected a beam of 1 to ${MAX_BEAM} and maximumTokens of 1 to ${MAX_TOKENS}, whole numbers, got ${beam} and ${maximumTokens}`,
    );
  }
  const scored = (logp: number, words: number): number => logp / words ** lengthPenalty;
  const running: Running[][] = Array.from({ length: items }, () => [{ words: [], logp: 0 }]);
  const finished: BeamText[][] = Array.from({ length: items }, () => []);
  const banned = new Set(forbidden);

  for (let written = 0; written < maximumTokens; written += 1) {
    const rows = running.flatMap((beams, item) => beams.map(({ words }) => ({ item, words })));
    if (rows.length === 0) break;
    const logps = await next(rows);
    const size = logps.length / rows.length;
    let row = 0;
    for (let item = 0; item < items; item += 1) {
      const beams = running[item] ?? [];
      const grown: { from: Running; word: number; logp: number }[] = [];
      for (const from of beams) {
        const start = row * size;
        row += 1;
        for (let word = 0; word < size; word += 1) {
          // A text has one word before its end; at the limit only the end is left.
          const allowed =
            word === endToken ? written > 0 || maximumTokens === 1 : written + 1 < maximumTokens;
          if (!allowed || banned.has(word)) continue;
          const logp = from.logp + (logps[start + word] ?? Number.NEGATIVE_INFINITY);
          if (word === endToken) {
            const text = { words: from.words, score: scored(logp, written + 1) };
            insert(finished[item] ?? [], text, { size: beam, value: (each) => each.score });
          } else if (grown.length < beam || logp > (grown.at(-1)?.logp ?? 0)) {
            // Most of the thousands of words fail here, before anything is allocated.
            insert(grown, { from, word, logp }, { size: beam, value: (each) => each.logp });
          }
        }
      }
      const done = finished[item] ?? [];
      const worst = done.length >= beam ? (done.at(-1)?.score ?? 0) : Number.NEGATIVE_INFINITY;
      // Log-probabilities only fall, so the best that a running text can ever reach is its own sum over the longest length
      // (a positive penalty raises a negative sum towards zero as texts grow).
      const length = stop === 'now' ? written + 1 : lengthPenalty > 0 ? maximumTokens : 1;
      const reach = Math.max(...grown.map(({ logp }) => scored(logp, length)));
      running[item] =
        grown.length > 0 && reach > worst
          ? grown.map(({ from, word, logp }) => ({ words: [...from.words, word], logp }))
          : [];
    }
  }
  return finished;
};
