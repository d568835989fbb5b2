/**
 * Merged weights of the rows that evaluation has met: the decision of a row is a constant while the parameters are, so
 * its experts are summed once and every later forward costs what a dense one does (Uni-Perceiver-MoE, section 3.3).
 */
import type { ParameterSet } from '@polygate/nn';
import { routeRows, type RouterStack, type RoutingKey } from '@polygate/routers';
import { mergeExperts, type LinearExpert } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { pathOf, type LinearPlace } from '../blocks/block-linears.ts';
import type { ExpertTable } from '../experts/expert-table.ts';
import type { GateSite } from '../experts/placement.ts';

/** What merging needs of its model. All borrowed. */
export interface MergeSource {
  readonly stack: RouterStack<RoutingKey>;
  readonly sites: readonly GateSite[];
  readonly table: ExpertTable;
  readonly parameters: ParameterSet;
}

/** Runs `work` without recording it on a gradient tape; what it makes and keeps is a constant to the tape. */
const offTape = (work: () => void): void => {
  const constant = tf.customGrad(() => {
    work();
    return { value: tf.scalar(0), gradFunc: () => [] };
  });
  constant().dispose();
};

/** Merged weights of one row by path of the linear. */
export type MergedWeights = ReadonlyMap<string, LinearExpert>;

/**
 * Merged weights of every conditional linear, by path, for each of `rows`.
 * @returns one map per row; the caller disposes of the weights
 * @throws ConfigError or ShapeError for a row that isn't one of the condition's
 */
export const mergeRows = (source: MergeSource, rows: readonly RoutingKey[]): readonly MergedWeights[] => {
  const { stack, sites, table, parameters } = source;
  const merged = rows.map(() => new Map<string, LinearExpert>());
  tf.tidy(() => {
    const decisions = routeRows(stack, rows, { parameters });
    for (const [index, { block, linears }] of sites.entries()) {
      const { gates, chosen } = decisions[index] as (typeof decisions)[number];
      for (const linear of linears) {
        const place = { block, linear };
        const sums = mergeExperts({ gates, chosen, experts: table.experts(place) });
        for (const [row, { weight, bias }] of sums.entries()) {
          tf.keep(weight);
          tf.keep(bias);
          merged[row]?.set(pathOf(place), { weight, bias });
        }
      }
    }
  });
  return merged;
};

/** Merged weights by row. Owns them until `clear`. */
export class MergedCache implements Disposable {
  readonly #source: MergeSource;
  /** By row key, then by path of the linear. */
  readonly #rows = new Map<string, MergedWeights>();

  constructor(source: MergeSource) {
    this.#source = source;
  }

  /** Number of rows held. */
  get size(): number {
    return this.#rows.size;
  }

  /**
   * Merged weights of a linear for each of `rows`, borrowed; undefined for a dense one. Rows met for the first time are
   * merged, all layers at once.
   */
  lookUp(rows: readonly RoutingKey[]): (place: LinearPlace) => readonly LinearExpert[] | undefined {
    const { keyOf } = this.#source.stack.condition;
    const missing = rows.filter((row) => !this.#rows.has(keyOf(row)));
    if (missing.length > 0) {
      offTape(() => {
        for (const [i, linears] of mergeRows(this.#source, missing).entries()) {
          this.#rows.set(keyOf(missing[i] as RoutingKey), linears);
        }
      });
    }
    const held = rows.map((row) => this.#rows.get(keyOf(row)));
    return (place) => {
      const path = pathOf(place);
      const [first] = held;
      return first?.has(path) ? held.map((linears) => linears?.get(path) as LinearExpert) : undefined;
    };
  }

  /** Frees all merged weights; they are made anew when next needed. */
  clear(): void {
    for (const linears of this.#rows.values()) {
      for (const { weight, bias } of linears.values()) {
        weight.dispose();
        bias.dispose();
      }
    }
    this.#rows.clear();
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
