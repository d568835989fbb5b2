/**
 * A trained encoder without its mixture of experts: the weights of every row that the given segments have, merged once
 * (Uni-Perceiver-MoE, section 3.3 and the deployed sizes of Table 4).
 */
import { ConfigError } from '@polygate/core';
import type { DataIndependentCondition, RoutingKey } from '@polygate/routers';
import { resolveEncoderConfig, type EncoderConfig, type ResolvedEncoderConfig } from '../config/config.ts';
import { conditionOf, topKIn, type ExpertGroup } from '../config/expert-groups.ts';
import type { Encoder, MergedWeights } from '../models/encoder.ts';
import {
  isRowField,
  rowOf,
  rowText,
  type MergedEncoderConfig,
  type MergedRow,
  type RowField,
} from './merged-config.ts';
import { disposeMerged } from './merged-cache.ts';
import type { MergedEncoder } from './merged-encoder.ts';
import { createMergedEncoder } from './merged-files.ts';

/** A group whose experts can be merged. */
interface MergeableGroup {
  readonly settings: ExpertGroup;
  readonly condition: DataIndependentCondition<RoutingKey>;
  /** What tells its rows apart. */
  readonly by: readonly RowField[];
}

/** @throws ConfigError for an encoder without experts, or naming the groups that can't be merged, and why */
const mergeableGroups = ({ moe }: ResolvedEncoderConfig): readonly MergeableGroup[] => {
  if (!moe) {
    throw new ConfigError(
      'exportMerged: expected an encoder with experts, got a dense one; it is deployed as it is',
      { code: 'nothing-to-merge' },
    );
  }
  const { groups } = moe;
  return groups.map((settings) => {
    const condition = conditionOf(settings, moe);
    if (!condition.dataIndependent) {
      const which = groups.length > 1 ? ` in the group "${settings.name}"` : '';
      throw new ConfigError(
        `exportMerged: expected experts that are chosen before a token is embedded (attribute, modality, task), got the condition "${settings.condition}"${which}, by which every token chooses its own: there is no weight that all tokens of a task share; deploy the trained model as it is`,
        { code: 'not-mergeable', fields: { condition: settings.condition, group: settings.name } },
      );
    }
    // Where modalities choose other numbers of experts, their rows differ too.
    const byModality = Object.keys(settings.topKByModality).length > 0 ? (['modality'] as const) : [];
    const by = [...new Set([...condition.reads.filter((field) => isRowField(field)), ...byModality])];
    return { settings, condition, by };
  });
};

/** The distinct rows of `keys` in a group, with their weight sets and a key of each set. */
const rowsOfGroup = ({ settings, condition, by }: MergeableGroup, keys: readonly RoutingKey[]) => {
  const sets = new Map<string, RoutingKey>();
  const rows = new Map<string, MergedRow>();
  const order: string[] = [];
  for (const key of keys) {
    const topK = topKIn(settings, key.modality);
    const identity = JSON.stringify([condition.keyOf(key), topK]);
    if (!sets.has(identity)) {
      sets.set(identity, key);
      order.push(identity);
    }
    const row = rowOf(key, by);
    rows.set(rowText(row, by), { ...row, set: order.indexOf(identity) });
  }
  return { sets: [...sets.values()], rows: [...rows.values()] };
};

/**
 * The configuration of an encoder after merging; nothing is allocated.
 * @param keys segments that it must serve, at least one
 * @throws ConfigError for an encoder that can't be merged (naming the groups of experts that hinder it), or no segments
 */
export const mergedConfigOf = (config: EncoderConfig, keys: readonly RoutingKey[]): MergedEncoderConfig => {
  const resolved = resolveEncoderConfig(config);
  const mergeable = mergeableGroups(resolved);
  if (keys.length === 0) {
    throw new ConfigError(
      'exportMerged: expected one segment or more to serve, got none; name the tasks that the model is for',
    );
  }
  const { moe: _, ...shape } = resolved;
  const groups = mergeable.map((group) => {
    const { name, condition, blocks, linears } = group.settings;
    const { rows } = rowsOfGroup(group, keys);
    return { name, condition, blocks, linears: linears.flat(), by: group.by, rows };
  });
  return { ...shape, merged: { groups } };
};

/**
 * Merges the experts of every row that `keys` have. The result shares nothing with the encoder.
 * @throws ConfigError for an encoder that can't be merged, or a key that isn't one of its conditions'
 */
export const exportMerged = (encoder: Encoder, keys: readonly RoutingKey[]): MergedEncoder => {
  const { mergedWeights } = encoder;
  if (!mergedWeights) {
    throw new ConfigError(
      'exportMerged: expected an encoder with experts, got one that was merged before; give the model that it was exported from',
      { code: 'nothing-to-merge' },
    );
  }
  const config = mergedConfigOf(encoder.config, keys);
  const merged: { readonly paths: ReadonlySet<string>; readonly sets: readonly MergedWeights[] }[] = [];
  let exported: MergedEncoder | undefined;
  try {
    for (const group of mergeableGroups(resolveEncoderConfig(encoder.config))) {
      const sets = mergedWeights.call(encoder, group.settings.name, rowsOfGroup(group, keys).sets);
      merged.push({ paths: new Set(sets[0]?.keys() ?? []), sets });
    }
    exported = createMergedEncoder(config);
    for (const { name, variable } of exported.parameters.entries()) {
      const [, path = '', set = '', part = ''] = /^(.+)\.merged\.(\d+)\.(weight|bias)$/u.exec(name) ?? [];
      const group = merged.find(({ paths }) => paths.has(path));
      const source = path
        ? group?.sets[Number(set)]?.get(path)?.[part as 'weight' | 'bias']
        : encoder.parameters.get(name);
      if (source) variable.assign(source);
    }
    return exported;
  } catch (error) {
    exported?.dispose();
    throw error;
  } finally {
    for (const { sets } of merged) disposeMerged(sets);
  }
};
