/** One input of the fuzz and its judgement: a pure function of the target, the seed and the steps of damage. */
import { createRandom, hashText, PolygateError, type Random } from '@polygate/core';
import { byteMutations, pick } from './byte-mutations.ts';
import { WrongValue, type FuzzTarget, type OpenTarget } from './target.ts';

/** What an input is made of: a valid one, and the steps of damage, each by the seed of its random stream. */
export interface FuzzCase {
  /** Index of the valid input, modulo their number. */
  readonly seed: number;
  readonly steps: readonly number[];
}

/** Most steps of damage of one input. */
export const MAX_STEPS = 4;

/** What came of an input. `typed` and `right` are good. */
export type Verdict =
  | { readonly kind: 'typed'; readonly code: string }
  | { readonly kind: 'right' }
  | { readonly kind: 'wrong'; readonly problem: string };

/** The input of a case. */
export const inputOf = (target: FuzzTarget, open: OpenTarget, { seed, steps }: FuzzCase): Uint8Array => {
  const { seeds, mutators } = open;
  let bytes = seeds[seed % seeds.length] as Uint8Array;
  for (const step of steps) {
    const random = createRandom(step);
    // Most of the damage knows the format, so that it gets behind the first check.
    const isStructured = mutators.length > 0 && (target.plain === false || random.integer(4) > 0);
    bytes = pick(random, isStructured ? mutators : byteMutations)(bytes, random, seeds);
  }
  return bytes;
};

/** Case `index` of a run of `seed`, the same whatever else runs. */
export const caseOf = (target: FuzzTarget, seed: number, index: number): FuzzCase => {
  const random: Random = createRandom(seed).fork(hashText(target.name)).fork(index);
  const steps = Array.from({ length: 1 + random.integer(MAX_STEPS) }, () => random.uint32());
  return { seed: random.uint32(), steps };
};

/** What a parser makes of an input. */
export const judge = async (target: FuzzTarget, open: OpenTarget, bytes: Uint8Array): Promise<Verdict> => {
  const wrong = (problem: string): Verdict => ({ kind: 'wrong', problem });
  try {
    await open.parse(bytes);
    return { kind: 'right' };
  } catch (error) {
    if (error instanceof WrongValue) return wrong(`another value: ${error.message}`);
    if (!(error instanceof PolygateError)) {
      return wrong(
        `an untyped error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    if (!target.errors.includes(error.name))
      return wrong(
        `${error.name} where ${target.errors.join(', ')} are allowed: ${error.message.slice(0, 400)}`,
      );
    return { kind: 'typed', code: error.code };
  }
};
