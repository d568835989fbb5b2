/**
 * The order of samples as a pure function of (seed, epoch, index): constant state, constant time.
 *
 * A permutation of 0 .. size - 1 is made by a Feistel network over the mixed-radix digits of an index, (left, right)
 * in [0, a) x [0, b) with a * b just above size, and by walking the cycle until the image lies below size (Black and
 * Rogaway, "Ciphers with arbitrary finite domains", 2002). Each round adds a keyed hash of one digit to the other, so
 * it can be undone and the whole is a bijection. a * b - size < a, hence nearly every walk ends after one step.
 */
import { ConfigError, hash32 } from '@polygate/core';

/** Most rows of a batch that is drawn. */
const MAX_BATCH_ROWS = 2 ** 24;

/** What a permutation depends on. */
export interface OrderKey {
  readonly seed: number;
  /** Pass over the data, from 0. */
  readonly epoch: number;
  /** Number of samples. */
  readonly size: number;
}

/** Rounds of the network; four are enough for statistical use, two more cost little for small sizes. */
const ROUNDS = 6;

/** The permutation of one epoch as a function, for many look-ups. @throws ConfigError for a size below 1 */
export const createPermutation = ({ seed, epoch, size }: OrderKey): ((index: number) => number) => {
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new ConfigError(`order: expected a size of at least 1 sample, got ${size}; is the data set empty?`);
  }
  const a = Math.max(1, Math.ceil(Math.sqrt(size)));
  const b = Math.ceil(size / a);
  const keys = Array.from({ length: ROUNDS }, (_, round) => hash32(seed, epoch, round));
  return (index) => {
    if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
      throw new ConfigError(`order: expected an index of 0 to ${size - 1}, got ${index}`);
    }
    let value = index;
    do {
      let left = Math.floor(value / b);
      let right = value % b;
      for (let round = 0; round < ROUNDS; round += 1) {
        const key = keys[round] ?? 0;
        if (round % 2 === 0) left = (left + hash32(key, right)) % a;
        else right = (right + hash32(key, left)) % b;
      }
      value = left * b + right;
    } while (value >= size);
    return value;
  };
};

/** Which sample stands at `index` in the order of an epoch: a bijection of 0 .. size - 1. */
export const permute = (index: number, key: OrderKey): number => createPermutation(key)(index);

/** How an endless sequence of samples is cut into global batches. */
export interface BatchOrder {
  readonly seed: number;
  /** Number of samples. */
  readonly size: number;
  /** Samples of a global batch, all ranks together. */
  readonly batchSize: number;
  /** Permute each epoch; else the samples come as they lie. @default true */
  readonly shuffle?: boolean;
  /** Passes after which the order ends; the last batch may be short. @default Infinity */
  readonly epochs?: number;
}

/** Number of global batches; Infinity when the epochs have no end. */
export const batchCount = ({ size, batchSize, epochs = Infinity }: BatchOrder): number =>
  Math.ceil((size * epochs) / batchSize);

const checkOrder = ({ size, batchSize, epochs = Infinity }: BatchOrder): void => {
  if (!Number.isSafeInteger(batchSize) || batchSize < 1 || batchSize > MAX_BATCH_ROWS) {
    throw new ConfigError(`order: expected a batchSize of 1 to ${MAX_BATCH_ROWS}, got ${batchSize}`);
  }
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new ConfigError(`order: expected a size of at least 1 sample, got ${size}; is the data set empty?`);
  }
  if (epochs !== Infinity && (!Number.isSafeInteger(epochs) || epochs < 1)) {
    throw new ConfigError(`order: expected epochs to be a positive whole number or Infinity, got ${epochs}`);
  }
};

/**
 * Sample indices of global batch `step` (from 0). Epochs follow each other without a gap, so a batch may hold the end
 * of one and the start of the next. @throws ConfigError past the last batch
 */
export const globalBatch = (step: number, order: BatchOrder): number[] => {
  checkOrder(order);
  const { seed, size, batchSize, shuffle = true, epochs = Infinity } = order;
  const count = batchCount(order);
  if (
    !Number.isSafeInteger(step) ||
    step < 0 ||
    step >= count ||
    !Number.isSafeInteger((step + 1) * batchSize)
  ) {
    throw new ConfigError(
      `order: expected a batch of 0 to ${count - 1}, got ${step}; the epochs asked for are over`,
    );
  }
  const first = step * batchSize;
  const end = Math.min(first + batchSize, size * epochs);
  let epoch = -1;
  let permutation = (index: number): number => index;
  return Array.from({ length: end - first }, (_, i) => {
    const position = first + i;
    const batchEpoch = Math.floor(position / size);
    if (batchEpoch !== epoch && shuffle) permutation = createPermutation({ seed, epoch: batchEpoch, size });
    epoch = batchEpoch;
    return permutation(position % size);
  });
};

/**
 * The contiguous 1/ranks of a global batch that belongs to `rank`. All ranks together hold the batch, in order, so the
 * number of ranks changes who computes a sample and not which samples a step has.
 * @throws ConfigError when the ranks don't divide the batch evenly
 */
export const rankSlice = <T>(batch: readonly T[], rank: number, ranks: number): readonly T[] => {
  if (!Number.isInteger(rank) || !Number.isInteger(ranks) || rank < 0 || rank >= ranks) {
    throw new ConfigError(`order: expected a rank of 0 to ranks - 1, got rank ${rank} of ${ranks}`);
  }
  const start = Math.floor((batch.length * rank) / ranks);
  const end = Math.floor((batch.length * (rank + 1)) / ranks);
  return ranks === 1 ? batch : batch.slice(start, end);
};
