/**
 * Merged weights of the rows that evaluation has met: the decision of a row is a constant while the parameters are, so
 * its experts are summed once and every later forward costs what a dense one does (Uni-Perceiver-MoE, section 3.3).
 */
import { routeRows, type RoutingKey } from '@polygate/routers';
import { mergeExperts, type LinearExpert } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { pathOf, type LinearRef } from '../blocks/block-linears.ts';
import type { LiveGroup } from '../experts/expert-group.ts';
import type { MergedWeights } from '../models/encoder.ts';

/** Runs `work` without recording it on a gradient tape; what it makes and keeps is a constant to the tape. */
const offTape = (work: () => void): void => {
  const constant = tf.customGrad(() => {
    work();
    return { value: tf.scalar(0), gradFunc: () => [] };
  });
  constant().dispose();
};

/** A row of a group, and how many experts it chooses. */
export interface CountedRow {
  readonly key: RoutingKey;
  readonly topK: number;
}

/**
 * Merged weights of every linear of a group, by path, for each of `rows`.
 * @returns one map per row; the caller disposes of the weights
 * @throws ConfigError or ShapeError for a row that isn't one of the condition's
 */
export const mergeRows = (group: LiveGroup, rows: readonly CountedRow[]): readonly MergedWeights[] => {
  const { stack, sites, parameters } = group;
  const merged = rows.map(() => new Map<string, LinearExpert>());
  tf.tidy(() => {
    const decisions = routeRows(
      stack,
      rows.map(({ key }) => key),
      { parameters, topK: rows.map(({ topK }) => topK) },
    );
    for (const [index, { block, linears }] of sites.entries()) {
      const { gates, chosen } = decisions[index] as (typeof decisions)[number];
      for (const linear of linears) {
        const ref = { block, linear };
        const sums = mergeExperts({ gates, chosen, experts: group.expertsOf(ref) });
        for (const [row, { weight, bias }] of sums.entries()) {
          tf.keep(weight);
          tf.keep(bias);
          merged[row]?.set(pathOf(ref), { weight, bias });
        }
      }
    }
  });
  return merged;
};

/** Frees merged weights. */
export const disposeMerged = (rows: Iterable<MergedWeights>): void => {
  for (const linears of rows) {
    for (const { weight, bias } of linears.values()) {
      weight.dispose();
      bias.dispose();
    }
  }
};

/** Merged weights of a group by row. Owns them until `clear`. */
export class MergedCache implements Disposable {
  readonly #group: LiveGroup;
  /** By identity of the row, then by path of the linear. */
  readonly #rows = new Map<string, MergedWeights>();

  constructor(group: LiveGroup) {
    this.#group = group;
  }

  /** Number of rows held. */
  get size(): number {
    return this.#rows.size;
  }

  /**
   * Merged weights of a linear for each of `rows`, borrowed. Rows met for the first time are merged, all layers at once.
   * @param identityOf a row's
   */
  lookUp(
    rows: readonly CountedRow[],
    identityOf: (row: CountedRow) => string,
  ): (ref: LinearRef) => readonly LinearExpert[] {
    const missing = rows.filter((row) => !this.#rows.has(identityOf(row)));
    if (missing.length > 0) {
      offTape(() => {
        for (const [i, linears] of mergeRows(this.#group, missing).entries()) {
          this.#rows.set(identityOf(missing[i] as CountedRow), linears);
        }
      });
    }
    const held = rows.map((row) => this.#rows.get(identityOf(row)) as MergedWeights);
    return (ref) => held.map((linears) => linears.get(pathOf(ref)) as LinearExpert);
  }

  /** Frees all merged weights; they are made anew when next needed. */
  clear(): void {
    disposeMerged(this.#rows.values());
    this.#rows.clear();
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
