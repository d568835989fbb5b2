/**
 * What stands in for a sample that can't be used: a pure function of (seed, epoch, index, attempt), so that a resumed
 * run, another number of ranks or another worker replaces a bad sample by the same one.
 */
import { ConfigError, hash32, PolygateError, StateError } from '@polygate/core';
import { createPermutation, type OrderKey } from './order.ts';
import type { Quarantine } from './quarantine.ts';

/**
 * The sample that replaces `index` at `attempt` (from 1). The attempts 1 .. size - 1 visit every other sample once, in
 * an order of their own for each index. @throws ConfigError when no other sample is left
 */
export const replacementIndex = (index: number, attempt: number, { seed, epoch, size }: OrderKey): number => {
  if (!Number.isSafeInteger(attempt) || attempt < 1 || attempt >= size) {
    throw new ConfigError(
      `replacement: expected an attempt of 1 to ${size - 1}, got ${attempt}; no other sample is left`,
    );
  }
  const shift = createPermutation({ seed: hash32(seed, index), epoch, size: size - 1 })(attempt - 1);
  return (index + 1 + shift) % size;
};

/** How bad samples are replaced. */
export interface ReplacementOptions extends OrderKey {
  readonly quarantine: Quarantine;
  /** Replacements tried for one sample. @default 16 */
  readonly attempts?: number;
  /** Name of a sample in the quarantine. @default `sample N` */
  id?(index: number): string;
}

/**
 * Loads a sample, or the first of its replacements that loads. Each failure with a typed error goes to the quarantine
 * under the error's code; other errors are faults of the program and pass.
 * @throws StateError when no attempt succeeds, or when the quarantine reaches a limit
 */
export const loadOrReplace = async <T>(
  index: number,
  load: (index: number) => Promise<T>,
  options: ReplacementOptions,
): Promise<T> => {
  const { quarantine, attempts = 16, size } = options;
  const tries = Math.min(attempts, size - 1);
  let cause: PolygateError | undefined;
  for (let attempt = 0; attempt <= tries; attempt += 1) {
    const candidate = attempt === 0 ? index : replacementIndex(index, attempt, options);
    try {
      const sample = await load(candidate);
      quarantine.accept();
      return sample;
    } catch (error) {
      if (!(error instanceof PolygateError)) throw error;
      cause = error;
    }
    quarantine.add(options.id?.(candidate) ?? `sample ${candidate}`, cause.code, cause.message);
  }
  throw new StateError(
    `replacement: expected sample ${index} or one of ${tries} replacements to load, got failures only, the last: ${cause?.message ?? ''}`,
    { code: 'no-replacement', cause },
  );
};
