/**
 * A trained encoder without its mixture of experts: the weights of every row that the given segments have, merged once
 * (Uni-Perceiver-MoE, section 3.3 and the deployed sizes of Table 4).
 */
import { ConfigError } from '@polygate/core';
import type { DataIndependentCondition, RoutingKey } from '@polygate/routers';
import { resolveEncoderConfig, type EncoderConfig } from '../config/config.ts';
import { conditionOf } from '../config/expert-config.ts';
import { isRowField, rowOf, rowText, type MergedEncoderConfig, type MergedRow } from './merged-config.ts';
import type { MergedEncoder } from './merged-encoder.ts';
import { createMergedEncoder } from './merged-files.ts';
import type { UniPerceiver } from '../models/uni-perceiver.ts';

/** Segments that an exported encoder serves. */
const distinct = (condition: DataIndependentCondition<RoutingKey>, keys: readonly RoutingKey[]) => {
  const by = condition.reads.filter((field) => isRowField(field));
  const sets = new Map<string, RoutingKey>();
  const rows = new Map<string, MergedRow>();
  const order: string[] = [];
  for (const key of keys) {
    const identity = condition.keyOf(key);
    if (!sets.has(identity)) {
      sets.set(identity, key);
      order.push(identity);
    }
    const row = rowOf(key, by);
    rows.set(rowText(row, by), { ...row, set: order.indexOf(identity) });
  }
  return { by, sets: [...sets.values()], rows: [...rows.values()] };
};

/** The condition of an encoder whose experts can be merged. @throws ConfigError saying why others can't be */
const mergeable = (config: EncoderConfig): DataIndependentCondition<RoutingKey> => {
  const { moe } = resolveEncoderConfig(config);
  if (!moe) {
    throw new ConfigError(
      'exportMerged: expected an encoder with experts, got a dense one; it is deployed as it is',
      { code: 'nothing-to-merge' },
    );
  }
  const condition = conditionOf(moe);
  if (!condition.dataIndependent) {
    throw new ConfigError(
      `exportMerged: expected experts that are chosen before a token is embedded (attribute, modality, task), got the condition "${moe.condition}", by which every token chooses its own: there is no weight that all tokens of a task share; deploy the trained model as it is`,
      { code: 'not-mergeable', fields: { condition: moe.condition } },
    );
  }
  return condition;
};

/**
 * The configuration of an encoder after merging; nothing is allocated.
 * @param keys segments that it must serve, at least one
 * @throws ConfigError for an encoder that can't be merged, or no segments
 */
export const mergedConfigOf = (config: EncoderConfig, keys: readonly RoutingKey[]): MergedEncoderConfig => {
  const condition = mergeable(config);
  if (keys.length === 0) {
    throw new ConfigError(
      'exportMerged: expected one segment or more to serve, got none; name the tasks that the model is for',
    );
  }
  const { moe, ...shape } = resolveEncoderConfig(config);
  const { every = 1, attention = true, ffn = true } = moe ?? {};
  const { by, rows } = distinct(condition, keys);
  return { ...shape, merged: { condition: condition.name, every, attention, ffn, by, rows } };
};

/**
 * Merges the experts of every row that `keys` have. The result shares nothing with the encoder.
 * @throws ConfigError for an encoder that can't be merged, or a key that isn't one of its condition's
 */
export const exportMerged = (encoder: UniPerceiver, keys: readonly RoutingKey[]): MergedEncoder => {
  const config = mergedConfigOf(encoder.config, keys);
  const { sets } = distinct(mergeable(encoder.config), keys);
  const merged = encoder.mergedWeights(sets);
  let exported: MergedEncoder | undefined;
  try {
    exported = createMergedEncoder(config);
    for (const { name, variable } of exported.parameters.entries()) {
      const [, path = '', set = '', part = ''] = /^(.+)\.merged\.(\d+)\.(weight|bias)$/u.exec(name) ?? [];
      const source = path
        ? merged[Number(set)]?.get(path)?.[part as 'weight' | 'bias']
        : encoder.parameters.get(name);
      if (source) variable.assign(source);
    }
    return exported;
  } catch (error) {
    exported?.dispose();
    throw error;
  } finally {
    for (const linears of merged) {
      for (const { weight, bias } of linears.values()) {
        weight.dispose();
        bias.dispose();
      }
    }
  }
};
