/** What a parser is to the fuzz: valid inputs, ways to damage them, and what may come of a damaged one. */
import type { PolygateError, Random } from '@polygate/core';

/** Damages bytes in one place. @param others further valid inputs of the parser, to splice with. Input is borrowed. */
export type Mutator = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

/** A parser with everything that it needs on disk. */
export interface OpenTarget {
  /** Valid inputs, each of which `parse` takes without an error. */
  readonly seeds: readonly Uint8Array[];
  /** Ways of damage that know the format; those of plain bytes come on top. */
  readonly mutators: readonly Mutator[];
  /**
   * Reads one input to its end, and compares what comes of it with another way to the same value where there is one.
   * @throws PolygateError for what it refuses, {@link WrongValue} for a value that is not that of the input
   */
  parse(bytes: Uint8Array): Promise<void>;
  close?(): Promise<void> | void;
}

/** One parser. */
export interface FuzzTarget {
  readonly name: string;
  /** Errors that it may answer with, by class name. */
  readonly errors: readonly PolygateError['name'][];
  /** Whether its random bytes are worth a try; where checksums stand before all else they only meet these. @default true */
  readonly plain?: boolean;
  /** @param folder an empty folder of its own */
  open(folder: string): Promise<OpenTarget>;
}

/** A parser took an input and made another value of it than the input says. */
export class WrongValue extends Error {}

/** @throws WrongValue unless `holds` */
export const expectRight = (holds: boolean, problem: string): void => {
  if (!holds) throw new WrongValue(problem);
};
