/**
 * Beam search for many samples at once; knows nothing of models.
 *
 * I samples · K beams · V tokens of the vocabulary · t tokens written so far (the same for all running texts)
 *
 * score(text) = sum of log p / (number of its tokens, end included) ** lengthPenalty.
 * Published (`finished: 'stay'`): each step keeps the K best of all continuations; a finished text continues with the end
 * alone, at no cost, and a sample is done when its whole beam is finished. With `aside` finished texts leave the beam, so
 * that K running ones are followed; a sample is done when it has K finished texts and no running one beats the worst of
 * them as it stands. Both end at the longest text.
 */
import type { ResolvedGeneration } from './generation-options.ts';
import { ruledTokens, type TextRow, type TokenRoles } from './token-rules.ts';

/** What generation asks of a model: log-probabilities of the next token, [rows * V]. Rows have equal numbers of tokens. */
export type NextTokens = (rows: readonly TextRow[]) => Promise<Float32Array>;

/** A search. */
export interface SearchOptions extends TokenRoles {
  /** I */
  readonly items: number;
  readonly rules: ResolvedGeneration;
  readonly next: NextTokens;
}

/** A text that was written. */
export interface WrittenText {
  /** Without the end token. */
  readonly tokens: readonly number[];
  /** What texts are compared by: the sum of log p as the rules have it over (tokens ** lengthPenalty), end included. */
  readonly score: number;
  /** Sum of log p as the model has it, end included. */
  readonly logProbability: number;
}

interface Running {
  readonly tokens: readonly number[];
  /** As the rules have it. */
  readonly ruled: number;
  readonly logProbability: number;
}

interface Continuation {
  readonly from: Running;
  readonly token: number;
  readonly ruled: number;
  /** Of the token, as the model has it. */
  readonly logp: number;
  readonly score: number;
}

/** Keeps `best` sorted, best first and the earlier of equal ones first, at most `size` long. */
export const insertBest = <A extends { readonly score: number }>(best: A[], entry: A, size: number): void => {
  const last = best.at(-1);
  if (best.length >= size && last !== undefined && last.score >= entry.score) return;
  let at = best.length;
  while (at > 0 && (best[at - 1] as A).score < entry.score) at -= 1;
  best.splice(at, 0, entry);
  if (best.length > size) best.pop();
};

/** The beam of one sample: running texts, best first, and finished ones. */
interface Beam {
  running: readonly Running[];
  finished: WrittenText[];
}

/** What is common to the two ways of one step of one sample. */
interface Step {
  readonly beam: number;
  readonly endToken: number;
  /** Divisor of sums after this step. */
  readonly divisor: number;
  /** Of each running text: log p of its next token by the rules, and by the model. */
  readonly nexts: readonly { readonly ruled: Float32Array; readonly logps: Float32Array }[];
}

const finish = (
  { from, ruled, logp }: Omit<Continuation, 'score' | 'token'>,
  divisor: number,
): WrittenText => ({
  tokens: from.tokens,
  score: ruled / divisor,
  logProbability: from.logProbability + logp,
});

const grow = ({ from, token, ruled, logp }: Continuation): Running => ({
  tokens: [...from.tokens, token],
  ruled,
  logProbability: from.logProbability + logp,
});

/** What of a list that keeps its best a score must be above to get in. */
const threshold = (best: readonly { readonly score: number }[], size: number): number =>
  best.length < size ? -Infinity : (best.at(-1)?.score ?? -Infinity);

/** Finished texts stay in the beam. */
const stay = ({ running, finished }: Beam, { beam, endToken, divisor, nexts }: Step): Beam => {
  const best: (Continuation | (WrittenText & { readonly from?: undefined }))[] = [];
  for (const text of finished) insertBest(best, text, beam);
  let least = threshold(best, beam);
  running.forEach((from, at) => {
    const { ruled, logps } = nexts[at] as Step['nexts'][number];
    for (let token = 0; token < ruled.length; token += 1) {
      const sum = from.ruled + (ruled[token] as number);
      const score = sum / divisor;
      // Most of the thousands of tokens fail here, before anything is allocated.
      if (!(score > least)) continue;
      insertBest(best, { from, token, ruled: sum, logp: logps[token] as number, score }, beam);
      least = threshold(best, beam);
    }
  });
  const next: Beam = { running: [], finished: [] };
  const grown: Running[] = [];
  for (const entry of best) {
    if (!entry.from) next.finished.push(entry);
    else if (entry.token === endToken) next.finished.push(finish(entry, divisor));
    else grown.push(grow(entry));
  }
  return { ...next, running: grown };
};

/** Finished texts are put aside. */
const aside = ({ running, finished }: Beam, { beam, endToken, divisor, nexts }: Step): Beam => {
  const done = [...finished];
  const best: Continuation[] = [];
  let least = -Infinity;
  running.forEach((from, at) => {
    const { ruled, logps } = nexts[at] as Step['nexts'][number];
    for (let token = 0; token < ruled.length; token += 1) {
      const sum = from.ruled + (ruled[token] as number);
      if (token === endToken) {
        const logp = logps[token] as number;
        if (sum > -Infinity) insertBest(done, finish({ from, ruled: sum, logp }, divisor), beam);
      } else if (sum > least) {
        // Within a step all sums have one divisor: the sums themselves are compared.
        insertBest(best, { from, token, ruled: sum, logp: logps[token] as number, score: sum }, beam);
        least = threshold(best, beam);
      }
    }
  });
  const worst = threshold(done, beam);
  const reach = Math.max(...best.map(({ ruled }) => ruled / divisor));
  return { running: best.length > 0 && reach > worst ? best.map(grow) : [], finished: done };
};

/** The texts of every sample, best first, at most K. @throws as `ruledTokens`, and what `next` throws */
export const beamSearch = async (options: SearchOptions): Promise<readonly (readonly WrittenText[])[]> => {
  const { items, rules, endToken, next } = options;
  const { maximumTokens, lengthPenalty, finished } = rules;
  const beam = rules.method === 'greedy' ? 1 : rules.beam;
  const advance = finished === 'aside' && rules.method === 'beam' ? aside : stay;
  const beams: Beam[] = Array.from({ length: items }, () => ({
    running: [{ tokens: [], ruled: 0, logProbability: 0 }],
    finished: [],
  }));
  for (let written = 0; written < maximumTokens; written += 1) {
    const rows = beams.flatMap(({ running }, item) => running.map(({ tokens }) => ({ item, tokens })));
    if (rows.length === 0) break;
    const all = await next(rows);
    const size = all.length / rows.length;
    let at = 0;
    for (const [item, itemBeam] of beams.entries()) {
      if (itemBeam.running.length === 0) continue;
      const nexts = itemBeam.running.map(({ tokens }) => {
        const logps = all.subarray(at * size, (at + 1) * size);
        at += 1;
        return { ruled: ruledTokens({ item, tokens }, logps, { rules, roles: options }), logps };
      });
      beams[item] = advance(itemBeam, { beam, endToken, divisor: (written + 1) ** lengthPenalty, nexts });
    }
  }
  return beams.map((itemBeam) =>
    [...itemBeam.finished].sort((a, b) => b.score - a.score).slice(0, rules.count),
  );
};
