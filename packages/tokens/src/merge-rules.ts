/**
 * Applies learned byte-pair merges to one word. The rule with the lowest rank goes first, the leftmost place first,
 * and the pairs that a merge creates compete at once. This is the order of the Hugging Face implementations; it
 * departs from Sennrich et al. (2016), who merge all places of a pair before the next pair, in words where a merged
 * token can arise by two rules.
 */
import { createPriorityQueue } from './priority-queue.ts';

/** Merge rules by pair of ids. */
export interface MergeRules {
  /** Rank of each pair, by {@link pairKey}. */
  readonly ranks: ReadonlyMap<number, number>;
  /** Token id that rule `rank` makes. */
  readonly results: Int32Array;
}

/** Upper limit of ids, so that a pair of them is one exact integer. */
export const maxVocabularySize = 1 << 20;

/** One integer for a pair of ids; sorts by the left id, then the right id. */
export const pairKey = (left: number, right: number): number => left * maxVocabularySize + right;

/** Words of at most this many bytes are merged by scanning; the scan is quadratic, the queue has a higher start cost. */
const scanLimit = 40;

const rankAt = (rules: MergeRules, left: number, right: number): number =>
  rules.ranks.get(pairKey(left, right)) ?? -1;

/** Merges by repeated search for the lowest rank; the twin of {@link mergeByQueue}. Changes `ids` in place. */
export const mergeByScan = (ids: number[], rules: MergeRules): number[] => {
  for (;;) {
    let best = -1;
    let at = -1;
    for (let i = 0; i + 1 < ids.length; i += 1) {
      const rank = rankAt(rules, ids[i] ?? 0, ids[i + 1] ?? 0);
      if (rank >= 0 && (best < 0 || rank < best)) {
        best = rank;
        at = i;
      }
    }
    if (at < 0) return ids;
    ids.splice(at, 2, rules.results[best] ?? 0);
  }
};

/** Merges with a queue of candidate places: n log n for a word of n bytes. */
export const mergeByQueue = (ids: readonly number[], rules: MergeRules): number[] => {
  const count = ids.length;
  const symbols = Int32Array.from(ids);
  const next = Int32Array.from({ length: count }, (_, i) => i + 1);
  const previous = Int32Array.from({ length: count }, (_, i) => i - 1);
  const alive = new Uint8Array(count).fill(1);
  // An entry is rank * count + place, so the order of entries is (rank, place); stale ones are found by re-reading.
  const queue = createPriorityQueue<number>((a, b) => a < b);
  const rankOf = (position: number): number => {
    const right = next[position] ?? count;
    return right < count ? rankAt(rules, symbols[position] ?? 0, symbols[right] ?? 0) : -1;
  };
  const offer = (position: number): void => {
    const rank = rankOf(position);
    if (rank >= 0) queue.push(rank * count + position);
  };
  for (let i = 0; i + 1 < count; i += 1) offer(i);
  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
    const position = entry % count;
    const rank = (entry - position) / count;
    if (alive[position] === 0 || rankOf(position) !== rank) continue;
    const right = next[position] ?? count;
    const after = next[right] ?? count;
    symbols[position] = rules.results[rank] ?? 0;
    alive[right] = 0;
    next[position] = after;
    if (after < count) previous[after] = position;
    const before = previous[position] ?? -1;
    if (before >= 0) offer(before);
    offer(position);
  }
  const merged: number[] = [];
  for (let position = 0; position < count; position = next[position] ?? count)
    merged.push(symbols[position] ?? 0);
  return merged;
};

/** The token ids of a word given as base ids, one per byte. @param ids consumed */
export const mergeWord = (ids: number[], rules: MergeRules): number[] =>
  ids.length <= scanLimit ? mergeByScan(ids, rules) : mergeByQueue(ids, rules);
