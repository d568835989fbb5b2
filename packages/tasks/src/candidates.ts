/**
 * Candidate sets: the target sequences that a query is scored against.
 *
 * C candidates in a batch · V candidates in the set · N negative draws · Q queries of the batch.
 *
 * A sampled set is the union of the batch's positives and N independent draws from q, duplicates removed. Besides as the
 * label itself, candidate c gets into it with probability pi(c) = 1 - (1 - q(c))^N (1 - p(c))^(Q-1), p being the frequency
 * of c among labels. Given the set, a label y has posterior proportional to p(y | x) / pi(y), so log pi is subtracted from
 * all logits (the sampled softmax of Jean et al. 2015). Departs from it in counting the positives of other rows, which
 * are candidates too; where frequencies are not known p is taken as 0, which is the plain form.
 */
import { ConfigError, ShapeError, type Random } from '@polygate/core';
import type { AttributeRow } from '@polygate/attributes';
import { endedTokens, textSequences, type SequenceBatch } from '@polygate/modalities';
import type { CollateOptions, TaskTargets } from './task.ts';

/** The part of a tokenizer that tasks use. */
export interface TaskTokenizer {
  encode(text: string): Int32Array;
  readonly size: number;
  readonly specials: { readonly spe: number; readonly endoftext: number };
}

export interface CandidateSet {
  /** Identifies the set for caches. */
  readonly key: string;
  /** V */
  readonly size: number;
  /** All candidates in order. The same object at each call. */
  whole(): TaskTargets;
  /** Candidates `ids`, in that order. @throws ShapeError for an id outside the set */
  pick(ids: ArrayLike<number>): SequenceBatch;
}

/** A set from token rows (already ended). */
export const createCandidateSet = (
  key: string,
  entries: readonly Int32Array[],
  options: {
    readonly row: AttributeRow;
    readonly padding: number;
    /** As in {@link TaskTargets}. */
    readonly names?: readonly string[];
  },
): CandidateSet => {
  if (entries.length === 0) {
    throw new ConfigError(`candidate set "${key}": expected one or more candidates, got none`);
  }
  let whole: TaskTargets | undefined;
  const pick = (ids: ArrayLike<number>): SequenceBatch =>
    textSequences(
      Array.from(ids, (id) => {
        const entry = entries[id];
        if (!entry) {
          throw new ShapeError(
            `candidate set "${key}": expected ids from 0 to ${entries.length - 1}, got ${id}; the labels belong to another set`,
          );
        }
        return entry;
      }),
      options,
    );
  return Object.freeze({
    key,
    size: entries.length,
    pick,
    whole() {
      if (!whole) {
        const ids = Int32Array.from(entries, (_, i) => i);
        const { names } = options;
        whole = Object.freeze({ key, whole: true, ids, sequences: pick(ids), ...(names ? { names } : {}) });
      }
      return whole;
    },
  });
};

/** Names as candidates: the bare name and the end token, no template. */
export const nameCandidates = (
  key: string,
  names: readonly string[],
  options: { readonly tokenizer: TaskTokenizer; readonly row: AttributeRow; readonly maximum?: number },
): CandidateSet => {
  const endToken = options.tokenizer.specials.endoftext;
  const entries = names.map((name) => {
    const tokens = options.tokenizer.encode(name);
    if (tokens.length === 0) {
      throw new ConfigError(
        `candidate set "${key}": expected names of one token or more, got "${name}"; give the class a name`,
      );
    }
    return endedTokens(tokens, {
      endToken,
      ...(options.maximum === undefined ? {} : { maximum: options.maximum }),
    });
  });
  return createCandidateSet(key, entries, { row: options.row, padding: endToken, names });
};

/** Every token of the vocabulary as the candidate [token, end token]; candidate id = token id. */
export const vocabularyCandidates = (tokenizer: TaskTokenizer, row: AttributeRow): CandidateSet => {
  const end = tokenizer.specials.endoftext;
  const entries = Array.from({ length: tokenizer.size }, (_, id) => Int32Array.of(id, end));
  return createCandidateSet('vocabulary', entries, { row, padding: end });
};

/** Draws from a fixed distribution over 0..V-1 in O(1) (Walker's alias table). */
export interface Sampler {
  /** q, [V], sums to 1. */
  readonly probabilities: Float64Array;
  draw(random: Random): number;
}

/** @throws ConfigError when no weight is positive */
export const createSampler = (weights: ArrayLike<number>): Sampler => {
  const size = weights.length;
  let total = 0;
  for (let i = 0; i < size; i += 1) total += weights[i] ?? 0;
  if (!(total > 0)) {
    throw new ConfigError(
      `sampler: expected ${size} weights of which one or more are positive, got a sum of ${total}`,
    );
  }
  const probabilities = Float64Array.from(weights, (weight) => weight / total);
  const keep = Float64Array.from(probabilities, (p) => p * size);
  const alias = Int32Array.from({ length: size }, (_, i) => i);
  const small: number[] = [];
  const large: number[] = [];
  keep.forEach((share, i) => (share < 1 ? small : large).push(i));
  while (small.length > 0 && large.length > 0) {
    const low = small.pop() ?? 0;
    const high = large.at(-1) ?? 0;
    alias[low] = high;
    keep[high] = (keep[high] ?? 0) - (1 - (keep[low] ?? 0));
    if ((keep[high] ?? 0) < 1) {
      large.pop();
      small.push(high);
    }
  }
  // What rounding left over is a full share.
  for (const i of [...small, ...large]) keep[i] = 1;
  return {
    probabilities,
    draw(random) {
      const i = random.integer(size);
      return random.next() < (keep[i] ?? 1) ? i : (alias[i] ?? i);
    },
  };
};

/** How candidates are chosen in training. */
export type CandidateChoice =
  | { readonly kind: 'whole' }
  | {
      readonly kind: 'sampled';
      /** N, draws per batch. */
      readonly negatives: number;
      /** `unigram` draws by label frequency to the power `power`. @default 'uniform' */
      readonly distribution?: 'uniform' | 'unigram';
      /** @default 0.75 */
      readonly power?: number;
      /** [V] how often each candidate is a label; needed by `unigram`, used by the correction when given. */
      readonly frequencies?: ArrayLike<number>;
      /**
       * [V] what `unigram` draws by instead: where several tasks share the candidates, the labels of all of them. A word
       * that another task makes likely must be seen as a negative here, or it wins wherever it never was one.
       * @default frequencies
       */
      readonly drawFrequencies?: ArrayLike<number>;
      /** Share of `unigram` draws that are uniform instead, so that no candidate stays unseen. @default 0.1 */
      readonly uniformShare?: number;
    };

/** Chooses the candidates of a batch and says where its labels are among them. */
export interface CandidateChooser {
  choose(positives: ArrayLike<number>, random: Random): { targets: TaskTargets; labels: Int32Array };
}

/** Weights of the draws: all alike, or powers of the frequencies with a share of all alike. */
const drawWeights = (size: number, choice: Extract<CandidateChoice, { kind: 'sampled' }>): Float64Array => {
  const {
    frequencies,
    drawFrequencies = frequencies,
    distribution,
    power = 0.75,
    uniformShare = 0.1,
  } = choice;
  if (distribution !== 'unigram' || !drawFrequencies) return new Float64Array(size).fill(1);
  const powers = Float64Array.from(drawFrequencies, (count) => count ** power);
  const total = powers.reduce((sum, value) => sum + value, 0);
  // Without a single count the draws are uniform.
  return powers.map((value) => (total > 0 ? ((1 - uniformShare) * value) / total : 0) + uniformShare / size);
};

/** @throws ConfigError for a bad count or frequencies of another length */
export const createCandidateChooser = (set: CandidateSet, choice: CandidateChoice): CandidateChooser => {
  if (choice.kind === 'whole') {
    return { choose: (positives) => ({ targets: set.whole(), labels: Int32Array.from(positives) }) };
  }
  const { negatives, frequencies, distribution = 'uniform' } = choice;
  if (!Number.isInteger(negatives) || negatives < 1) {
    throw new ConfigError(
      `sampled candidates of "${set.key}": expected negatives to be a whole number above 0, got ${negatives}`,
    );
  }
  for (const counts of [frequencies, choice.drawFrequencies]) {
    if (!counts || counts.length === set.size) continue;
    throw new ConfigError(
      `sampled candidates of "${set.key}": expected ${set.size} frequencies, one per candidate, got ${counts.length}`,
    );
  }
  const { uniformShare = 0.1 } = choice;
  if (!(uniformShare > 0 && uniformShare <= 1)) {
    throw new ConfigError(
      `sampled candidates of "${set.key}": expected a uniformShare above 0 and up to 1, got ${uniformShare}; some share keeps every candidate reachable`,
    );
  }
  if (distribution === 'unigram' && !frequencies) {
    throw new ConfigError(
      `sampled candidates of "${set.key}": distribution "unigram" needs frequencies; count the labels or use "uniform"`,
    );
  }
  const sampler = createSampler(drawWeights(set.size, choice));
  const total = frequencies ? Array.from(frequencies).reduce((sum, count) => sum + count, 0) : 0;
  return {
    choose(positives, random) {
      const chosen = new Set<number>(Array.from(positives));
      for (let n = 0; n < negatives; n += 1) chosen.add(sampler.draw(random));
      const ids = Int32Array.from(chosen).sort();
      const indexOf = new Map<number, number>();
      ids.forEach((id, i) => indexOf.set(id, i));
      const others = Math.max(0, positives.length - 1);
      const logQ = Float32Array.from(ids, (id) => {
        const q = sampler.probabilities[id] ?? 0;
        const p = total > 0 ? (frequencies?.[id] ?? 0) / total : 0;
        const missed = negatives * Math.log1p(-Math.min(q, 1)) + others * Math.log1p(-Math.min(p, 1));
        return Math.log(-Math.expm1(missed));
      });
      return {
        targets: { key: set.key, whole: false, ids, sequences: set.pick(ids), logQ },
        labels: Int32Array.from(positives, (id) => indexOf.get(id) ?? 0),
      };
    },
  };
};

/** Settings of every task whose candidates may be sampled. */
export interface CandidateSettings {
  /** Candidates in training. @default whole */
  readonly candidates?: CandidateChoice | undefined;
}

/** Settings of every task that is scored against the vocabulary. */
export interface VocabularySettings extends CandidateSettings {
  /** Shared vocabulary candidates, so that several tasks keep one set. @default a set of its own */
  readonly vocabulary?: CandidateSet | undefined;
}

/** How a task chooses candidates: as told in training, all of them otherwise. @throws ConfigError */
export const createTaskCandidates = (
  set: CandidateSet,
  { candidates = { kind: 'whole' } }: CandidateSettings,
): ((positives: ArrayLike<number>, options: CollateOptions) => ReturnType<CandidateChooser['choose']>) => {
  const inTraining = createCandidateChooser(set, candidates);
  const whole = createCandidateChooser(set, { kind: 'whole' });
  return (positives, { random, training }) =>
    (training ? inTraining : whole).choose(positives, random.fork('candidates'));
};
