/** An encoder whose experts were merged for good: which weight sets it has and which rows they serve. Plain JSON. */
import { parseRow, rowKey } from '@polygate/attributes';
import { ConfigError, excerpt } from '@polygate/core';
import { check, checkFields, checkWhole } from '@polygate/modalities';
import { BLOCK_LINEARS, isConditional, type Placement } from '../experts/placement.ts';
import { pathOf, type LinearPlace } from '../blocks/block-linears.ts';
import { describeBody } from '../blocks/body-description.ts';
import type { ParameterSpec } from '@polygate/nn';
import type { SegmentKey } from '../sequence/layout.ts';
import { ENCODER_LIMITS } from '../config/limits.ts';
import { resolveEncoderShape, type EncoderShape, type ResolvedEncoderShape } from '../config/shape-config.ts';

/** What tells the rows of an encoder apart. */
export type RowField = keyof SegmentKey;

/** A row with its weight set; it has the fields that tell rows apart, and no others. */
export interface MergedRow {
  /** As text, e.g. `10011001`. */
  readonly attributes?: string;
  readonly modality?: string;
  readonly task?: string;
  /** Number of the weight set, from 0. */
  readonly set: number;
}

/** The merged linears of an encoder. */
export interface MergedSets extends Placement {
  /** Condition that the experts were chosen by, for reports. */
  readonly condition: string;
  readonly by: readonly RowField[];
  readonly rows: readonly MergedRow[];
}

/** An encoder with merged linears. */
export interface MergedEncoderConfig extends EncoderShape {
  readonly merged: MergedSets;
}

/** Checked, with nothing left open. */
export interface ResolvedMergedConfig extends ResolvedEncoderShape {
  readonly merged: MergedSets;
}

/** Whether a configuration is that of a merged encoder. */
export const isMergedConfig = (config: EncoderShape): config is MergedEncoderConfig =>
  'merged' in config && config.merged !== undefined;

/** The row of a segment as the fields `by` tell it, without its set. */
export const rowOf = (key: SegmentKey, by: readonly RowField[]): Omit<MergedRow, 'set'> =>
  Object.fromEntries(
    by.map((field) => [field, field === 'attributes' ? rowKey(key.attributes) : key[field]]),
  );

/** The key of a row; fields that don't tell rows apart are empty. */
export const keyOfRow = ({
  attributes = '00000000',
  modality = '',
  task = '',
}: Partial<MergedRow>): SegmentKey => ({
  attributes: parseRow(attributes),
  modality,
  task,
});

/** A row as text: its identity, and how error texts name it. */
export const rowText = (row: Omit<MergedRow, 'set'>, by: readonly RowField[]): string =>
  by.map((field) => `${field} ${row[field] ?? ''}`).join(', ');

/** Number of weight sets. */
export const setCount = ({ rows }: MergedSets): number =>
  1 + rows.reduce((most, { set }) => Math.max(most, set), -1);

const rowFields: readonly RowField[] = ['attributes', 'modality', 'task'];

/** Whether a field tells rows apart. */
export const isRowField = (field: string): field is RowField => rowFields.includes(field as RowField);

/** @throws ConfigError naming the field, what it expects and what it got */
export const resolveMergedConfig = (config: MergedEncoderConfig): ResolvedMergedConfig => {
  const { merged, ...shape } = config;
  checkFields(merged, 'merged', {
    condition: 'text',
    by: 'texts',
    rows: 'list',
    every: 'number',
    attention: 'boolean',
    ffn: 'boolean',
  });
  const { rows = [], by = [] } = merged;
  const { every } = merged;
  checkWhole('merged.every', every, { most: ENCODER_LIMITS.layers });
  check(
    by.every((field) => rowFields.includes(field)),
    'merged.by',
    [`to name some of ${rowFields.join(', ')}`, excerpt(by)],
  );
  rows.forEach((row, i) => {
    checkFields(row, `merged.rows.${i}`, {
      attributes: 'text',
      modality: 'text',
      task: 'text',
      set: 'number',
    });
    const lacking = by.find((field) => !Object.hasOwn(row, field));
    check(lacking === undefined, `merged.rows.${i}`, [`to have "${lacking ?? ''}"`, excerpt(row)]);
  });
  check(rows.length > 0, 'merged.rows', ['to name one row or more', 'none']);
  const sets = setCount(merged);
  const used = new Set(rows.map(({ set }) => set));
  check(used.size === sets && rows.every(({ set }) => Number.isInteger(set) && set >= 0), 'merged.rows', [
    `to use the sets 0 to ${sets - 1}`,
    [...used].join(', '),
  ]);
  const seen = new Set<string>();
  const twice = rows.map((row) => rowText(row, by)).find((text) => seen.size === seen.add(text).size);
  if (twice !== undefined) {
    throw new ConfigError(`encoder: expected merged.rows that differ, got ${twice} twice; export it anew`);
  }
  const resolved = resolveEncoderShape(shape);
  const copies = Math.ceil(resolved.layers / every) * BLOCK_LINEARS.length * sets;
  check(copies <= ENCODER_LIMITS.expertLinears, 'layers x merged sets', [
    `to make at most ${ENCODER_LIMITS.expertLinears} linears`,
    copies,
  ]);
  return Object.freeze({ ...resolved, merged: Object.freeze({ ...merged }) });
};

/** Path of one merged set of a linear. */
export const mergedPath = (place: LinearPlace, set: number): string => `${pathOf(place)}.merged.${set}`;

/** Whether a linear is kept in merged sets. */
export const isMerged = ({ merged }: ResolvedMergedConfig, { block, linear }: LinearPlace): boolean =>
  isConditional(merged, block, linear);

/**
 * All parameters of a merged encoder, in a fixed order; nothing is allocated. A conditional linear has
 * `merged.S.{weight,bias}`, one for each set.
 * @throws ConfigError for a configuration that makes no encoder
 */
export const describeMergedEncoder = (config: MergedEncoderConfig): readonly ParameterSpec[] => {
  const resolved = resolveMergedConfig(config);
  const sets = setCount(resolved.merged);
  return describeBody(resolved, {
    copies: (place) =>
      isMerged(resolved, place)
        ? Array.from({ length: sets }, (_, set) => mergedPath(place, set))
        : undefined,
  });
};
