/**
 * Conditions on a name: R(x) = embed(id of the name), a learned table of one row per name
 * (Uni-Perceiver-MoE, Eq. 7 and 8).
 *
 * S sites · R rows · M names · D width
 *
 * The paper writes no start values. Standard normal ones give these representations the scale that the layer norm gives
 * those of attributes, so that the first choices of both kinds stand out from the noise alike.
 */
import { ConfigError, unknownName } from '@polygate/core';
import type { ConditionSize, LearnedCondition, Representation } from './condition.ts';
import type { RoutingKey } from './routing-key.ts';

/** What an embedding-table condition looks up. */
export interface NamedTable {
  /** Name of the condition, also the leading part of its parameter, e.g. `task`. */
  readonly name: string;
  /** Names with an embedding each, in the order of the table. */
  readonly names: readonly string[];
  /** The field of a key that holds the name. */
  readonly reads: 'modality' | 'task';
}

/** Refuses a list of names that can't number a table or experts. @throws ConfigError */
export const checkNames = (condition: string, kind: string, names: readonly string[]): void => {
  if (names.length === 0 || new Set(names).size !== names.length || names.includes('')) {
    throw new ConfigError(
      `${condition} condition: expected the distinct names of at least one ${kind}, got [${names.join(', ')}]; list every ${kind} that the model meets`,
      { fields: { condition, names } },
    );
  }
};

/** The place of a name in its list. @throws ConfigError listing the known names */
export const indexOfName = (kind: string, name: string, names: readonly string[]): number => {
  const index = names.indexOf(name);
  if (index < 0) throw unknownName(kind, name, names);
  return index;
};

const represent = (
  table: Float32Array,
  indices: readonly number[],
  { width, sites, names }: ConditionSize & { readonly names: number },
): Representation => {
  const rows = indices.length;
  const values = new Float64Array(sites * rows * width);
  for (let site = 0; site < sites; site += 1) {
    for (const [row, index] of indices.entries()) {
      const from = (site * names + index) * width;
      values.set(table.subarray(from, from + width), (site * rows + row) * width);
    }
  }
  const backward = (gradient: Float64Array): readonly Float32Array[] => {
    const toTable = new Float32Array(table.length);
    for (let site = 0; site < sites; site += 1) {
      for (const [row, index] of indices.entries()) {
        const to = (site * names + index) * width;
        const at = (site * rows + row) * width;
        for (let d = 0; d < width; d += 1) {
          toTable[to + d] = (toTable[to + d] ?? 0) + (gradient[at + d] ?? 0);
        }
      }
    }
    return [toTable];
  };
  return { values, backward };
};

/** A condition with one parameter, `NAME.embedding` [S, M, D]. @throws ConfigError for an unusable list of names */
export const embeddingTableCondition = ({ name, names, reads }: NamedTable): LearnedCondition<RoutingKey> => {
  checkNames(name, name, names);
  return Object.freeze({
    name,
    dataIndependent: true as const,
    reads: [reads],
    representationWidth: ({ width }: ConditionSize) => width,
    parameters: ({ width, sites }: ConditionSize) => [
      {
        name: `${name}.embedding`,
        shape: [sites, names.length, width],
        initializer: { kind: 'normal' as const, std: 1 },
        role: 'gate' as const,
      },
    ],
    rowNames: Object.freeze({ [`${name}.embedding`]: names }),
    flops: ({ width, experts }: ConditionSize & { readonly experts: number }) => ({
      decision: 2 * experts * width,
    }),
    keyOf: (key: RoutingKey) => key[reads],
    represent: (values: readonly Float32Array[], keys: readonly RoutingKey[], size: ConditionSize) => {
      const indices = keys.map((key) => indexOfName(name, key[reads], names));
      return represent(values[0] ?? new Float32Array(), indices, { ...size, names: names.length });
    },
  });
};
