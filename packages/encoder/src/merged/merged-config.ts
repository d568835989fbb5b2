/** An encoder whose experts were merged for good: which weight sets it has and which rows they serve. Plain JSON. */
import { parseRow, rowKey } from '@polygate/attributes';
import { ConfigError, excerpt } from '@polygate/core';
import { check, checkAllFields, checkFields, checkWhole } from '@polygate/modalities';
import { pathOf, type LinearRef } from '../blocks/block-linears.ts';
import { blockLinears, branchOf, type BlockLinear } from '../blocks/linears.ts';
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

/** A group of merged linears: those whose experts were chosen by one condition. */
export interface MergedGroup {
  readonly name: string;
  /** Condition that the experts were chosen by, for reports. */
  readonly condition: string;
  /** Blocks that have it, ascending, and their linears. */
  readonly blocks: readonly number[];
  readonly linears: readonly BlockLinear[];
  readonly by: readonly RowField[];
  readonly rows: readonly MergedRow[];
}

/** The merged linears of an encoder. */
export interface MergedSets {
  /** At least one; a linear is in one of them at most. */
  readonly groups: readonly MergedGroup[];
}

/** The one group of a model that was exported before encoders could have several. */
interface SingleGroup extends Pick<MergedGroup, 'condition' | 'by' | 'rows'> {
  readonly every: number;
  readonly attention: boolean;
  readonly ffn: boolean;
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
export const setCount = ({ rows }: Pick<MergedGroup, 'rows'>): number =>
  1 + rows.reduce((most, { set }) => Math.max(most, set), -1);

const rowFields: readonly RowField[] = ['attributes', 'modality', 'task'];

/** Whether a field tells rows apart. */
export const isRowField = (field: string): field is RowField => rowFields.includes(field as RowField);

/** What a model that was exported with one group says of it, as groups. */
const groupsOf = (merged: MergedSets | SingleGroup, shape: ResolvedEncoderShape): readonly MergedGroup[] => {
  checkFields(merged, 'merged', {});
  if ('groups' in merged) {
    checkFields(merged, 'merged', { groups: 'list' });
    return merged.groups;
  }
  checkAllFields(merged, 'merged', {
    condition: 'text',
    by: 'texts',
    rows: 'list',
    every: 'number',
    attention: 'boolean',
    ffn: 'boolean',
  });
  const { condition, by, rows, every, attention, ffn } = merged;
  checkWhole('merged.every', every, { most: ENCODER_LIMITS.layers });
  const branches = [...(attention ? ['attention'] : []), ...(ffn ? ['ffn'] : [])];
  const linears = blockLinears(shape)
    .map(({ name }) => name)
    .filter((name) => branches.includes(branchOf(name)));
  const blocks = Array.from({ length: Math.ceil(shape.layers / every) }, (_, i) => i * every);
  return [{ name: 'experts', condition, blocks, linears, by, rows }];
};

const checkRows = ({ by, rows }: MergedGroup, path: string): void => {
  check(
    by.every((field) => rowFields.includes(field)),
    `${path}.by`,
    [`to name some of ${rowFields.join(', ')}`, excerpt(by)],
  );
  rows.forEach((row, i) => {
    checkFields(row, `${path}.rows.${i}`, {
      attributes: 'text',
      modality: 'text',
      task: 'text',
      set: 'number',
    });
    const lacking = by.find((field) => !Object.hasOwn(row, field));
    check(lacking === undefined, `${path}.rows.${i}`, [`to have "${lacking ?? ''}"`, excerpt(row)]);
  });
  check(rows.length > 0, `${path}.rows`, ['to name one row or more', 'none']);
  const sets = setCount({ rows });
  const used = new Set(rows.map(({ set }) => set));
  check(used.size === sets && rows.every(({ set }) => Number.isInteger(set) && set >= 0), `${path}.rows`, [
    `to use the sets 0 to ${sets - 1}`,
    [...used].join(', '),
  ]);
  const texts = new Set<string>();
  const twice = rows.map((row) => rowText(row, by)).find((text) => texts.size === texts.add(text).size);
  if (twice !== undefined) {
    throw new ConfigError(`encoder: expected ${path}.rows that differ, got ${twice} twice; export it anew`);
  }
};

const checkGroup = (group: MergedGroup, path: string, shape: ResolvedEncoderShape): void => {
  checkAllFields(group, path, {
    name: 'text',
    condition: 'text',
    blocks: 'list',
    linears: 'texts',
    by: 'texts',
    rows: 'list',
  });
  const names = blockLinears(shape).map(({ name }) => name);
  const { blocks, linears } = group;
  for (const block of blocks) checkWhole(`${path}.blocks`, block, { least: 0, most: shape.layers - 1 });
  check(
    linears.every((linear) => names.includes(linear)),
    `${path}.linears`,
    [`to name some of ${names.join(', ')}`, excerpt(linears)],
  );
};

/** @throws ConfigError naming the field, what it expects and what it got */
export const resolveMergedConfig = (config: MergedEncoderConfig): ResolvedMergedConfig => {
  const { merged, ...rest } = config;
  const shape = resolveEncoderShape(rest);
  const groups = groupsOf(merged, shape);
  check(groups.length > 0, 'merged.groups', ['to name one group or more', 'none']);
  let copies = 0;
  for (const [index, group] of groups.entries()) {
    const path = 'groups' in merged ? `merged.groups.${index}` : 'merged';
    checkGroup(group, path, shape);
    checkRows(group, path);
    copies += group.blocks.length * group.linears.length * setCount(group);
  }
  check(copies <= ENCODER_LIMITS.expertLinears, 'layers x merged sets', [
    `to make at most ${ENCODER_LIMITS.expertLinears} linears`,
    copies,
  ]);
  return Object.freeze({ ...shape, merged: Object.freeze({ groups: Object.freeze(groups) }) });
};

/** Path of one merged set of a linear. */
export const mergedPath = (ref: LinearRef, set: number): string => `${pathOf(ref)}.merged.${set}`;

/** Index of the group that a linear is in; undefined for one that is kept once. */
export const mergedGroupAt = ({ groups }: MergedSets, { block, linear }: LinearRef): number | undefined => {
  const index = groups.findIndex(({ blocks, linears }) => blocks.includes(block) && linears.includes(linear));
  return index < 0 ? undefined : index;
};

/**
 * All parameters of a merged encoder, in a fixed order; nothing is allocated. A conditional linear has
 * `merged.S.{weight,bias}`, one for each set.
 * @throws ConfigError for a configuration that makes no encoder
 */
export const describeMergedEncoder = (config: MergedEncoderConfig): readonly ParameterSpec[] => {
  const resolved = resolveMergedConfig(config);
  const { merged } = resolved;
  return describeBody(resolved, {
    copies: (ref) => {
      const group = merged.groups[mergedGroupAt(merged, ref) ?? -1];
      return group && Array.from({ length: setCount(group) }, (_, set) => mergedPath(ref, set));
    },
  });
};
