/** A first pass over a table of values, over its small columns alone: classes, splits, which splits have labels. */
import { ConfigError, excerpt } from '@polygate/core';
import { ClassFinder, createLabelIndex, labelName } from '../samples/class-names.ts';
import { SplitFinder, type SplitColumn } from '../splits/split-names.ts';
import { SplitSearch } from '../splits/split-search.ts';
import { isAbsent } from '../splits/split-cell.ts';
import { orderSplits } from '../splits/split-names.ts';
import { isMinusOne, isUnlabelled } from './value-cells.ts';
import type { ValueRoles } from './value-roles.ts';
import type { ValuePart, ValueTable } from './value-table.ts';
import { describeType, plainValue } from './value-type.ts';

/** What was found of a table. */
export interface ValueSurvey {
  readonly classes?: readonly string[];
  readonly labelOf?: (value: unknown) => number | undefined;
  /** Whether a label of -1 says that there is none, as where classes are a list. */
  readonly minusOneIsNone: boolean;
  /** Splits that its samples name; undefined where they name none. */
  readonly splits?: readonly string[];
  /** Column that names the split of a row; undefined where files do. */
  readonly splitColumn?: string;
  /** Splits whose rows have no label at all, with the number of rows. */
  readonly unlabelled: ReadonlyMap<string, number>;
  readonly notes: readonly string[];
}

export interface ValueSurveyOptions {
  /** Column that names the split of a row; `''` for none. @default one whose values name splits */
  readonly splitColumn?: string;
  /** Class names in label order; labels are then names or indices. @default those of the features, else those that occur */
  readonly classes?: readonly string[];
}

/** @throws ConfigError where a file lacks a column that is read, or has another type or other classes in it */
export const requireSameColumns = (table: ValueTable, wanted: readonly string[]): void => {
  const [first, ...others] = table.parts;
  for (const part of others) {
    for (const name of wanted) {
      const [a, b] = [first, part].map((each) => each?.columns.find((column) => column.name === name)?.type);
      const [expectedType, other] = [a, b].map((type) =>
        type === undefined ? 'nothing' : describeType(type),
      );
      if (expectedType === other) continue;
      throw new ConfigError(
        `${table.name}: expected files of the same columns, got ${expectedType} in column "${name}" of ${first?.id ?? ''} and ${other} in ${part.id}; give each kind of file as a source of its own`,
        { code: 'files-differ', fields: { column: name } },
      );
    }
  }
};

const classesOf = (table: ValueTable, label: string): readonly string[] | undefined => {
  const [first, ...others] = table.parts.map((part) => ({
    id: part.id,
    names: part.features.get(label)?.classes,
  }));
  for (const { id, names } of others) {
    if (JSON.stringify(names) === JSON.stringify(first?.names)) continue;
    throw new ConfigError(
      `${table.name}: expected files with the same classes, got ${excerpt(first?.names ?? [])} in ${first?.id ?? ''} and ${excerpt(names ?? [])} in ${id}; give them as sources of their own`,
      { code: 'files-differ', fields: { column: label } },
    );
  }
  return first?.names;
};

async function* cellsOf(part: ValuePart, columns: readonly string[]): AsyncGenerator<readonly unknown[]> {
  for await (const { length, columns: cells } of part.groups(columns)) {
    const lists = columns.map((name) => cells.get(name));
    for (let row = 0; row < length; row += 1) yield lists.map((list) => plainValue(list?.(row)));
  }
}

/** The column of splits: the one that is asked for, else one that is found. */
const columnOfSplits = async (
  table: ValueTable,
  roles: ValueRoles,
  asked: string | undefined,
): Promise<SplitColumn & { readonly key?: string | number }> => {
  const none = { followed: false, splits: [], notes: [] };
  if (asked === '') return none;
  if (asked !== undefined) {
    requireColumn(table, asked);
    const finder = new SplitFinder();
    for (const part of table.parts)
      for await (const [value] of cellsOf(part, [asked])) if (!isAbsent(value)) finder.add(value);
    return { ...finder.resolve(asked, true), key: asked };
  }
  const used = new Set([roles.image, roles.label, roles.id, ...roles.texts]);
  const names = (table.parts[0]?.columns ?? [])
    .filter(
      ({ name, type }) => !used.has(name) && (type === 'text' || type === 'number' || type === 'boolean'),
    )
    .map(({ name }) => name);
  const search = new SplitSearch([]);
  for (const [index, part] of table.parts.entries()) {
    // Only what the first row leaves open is read on: long texts of other columns are not.
    const wanted = index === 0 ? names : search.open().map(String);
    if (wanted.length === 0) break;
    const all = part.groups(wanted);
    for await (const { length, columns } of all) {
      for (let row = 0; row < length; row += 1)
        search.addRow(
          wanted.map((name) => ({ key: name, name, value: plainValue(columns.get(name)?.(row)) })),
        );
      if (search.open().length === 0) break;
    }
  }
  return search.resolve();
};

const requireColumn = (table: ValueTable, name: string): void => {
  const columns = table.parts[0]?.columns.map((column) => column.name) ?? [];
  if (columns.includes(name)) return;
  throw new ConfigError(
    `${table.name}: expected the split column ${excerpt(name)}, got the columns ${excerpt(columns, 200)}; set splitColumn to one of these`,
    { code: 'table-column', fields: { columns } },
  );
};

/**
 * Looks at labels and splits of all rows.
 * @throws ConfigError for files that differ, no label at all, too many to be classes, and a split column that is not there
 */
export const surveyValues = async (
  table: ValueTable,
  roles: ValueRoles,
  options: ValueSurveyOptions,
): Promise<ValueSurvey> => {
  const { label } = roles;
  const notes: string[] = [];
  const byName = table.parts.every(({ split }) => split !== undefined);
  const askedColumn = options.splitColumn;
  const column =
    byName && askedColumn === undefined ? undefined : await columnOfSplits(table, roles, askedColumn);
  if (column) notes.push(...column.notes);
  const splitColumn = column?.followed ? String(column.key) : undefined;
  const unlabelled = new Map<string, number>();
  let minusOneIsNone = true;
  let classes = options.classes;
  if (label !== undefined) {
    classes ??= classesOf(table, label);
    const finder = new ClassFinder(table.name);
    const labelled = new Set<string>();
    const minusOnes = new Map<string, number>();
    const count = (map: Map<string, number>, split: string, rows = 1): Map<string, number> =>
      map.set(split, (map.get(split) ?? 0) + rows);
    for (const part of table.parts) {
      const split = byName && splitColumn === undefined ? (part.split ?? '') : '';
      for await (const [value] of cellsOf(part, [label])) {
        if (isUnlabelled(value)) count(unlabelled, split);
        else if (isMinusOne(value)) count(minusOnes, split);
        else {
          labelled.add(split);
          const name = labelName(value);
          if (!classes && name !== undefined) finder.add(name);
        }
      }
    }
    // Where no list of classes says otherwise, -1 beside other labels is one of them (negative, neutral, positive).
    const beside = [...minusOnes].filter(([split]) => labelled.has(split));
    minusOneIsNone = isListed(table, roles, options) || beside.length === 0;
    if (minusOneIsNone) for (const [split, rows] of minusOnes) count(unlabelled, split, rows);
    else {
      finder.add('-1');
      for (const split of minusOnes.keys()) labelled.add(split);
      notes.push(
        `-1 in column "${label}" is a class, since other labels stand beside it; where it says that there is none, leave these rows out, or give classes a list`,
      );
    }
    for (const split of labelled) unlabelled.delete(split);
    classes ??= finder.classes();
    if (labelled.size === 0 || classes.length === 0) {
      throw new ConfigError(
        `${table.name}: expected labels in column "${label}", got none; set labelColumn to the column that holds them, or another kind`,
        { code: 'no-labels', fields: { column: label } },
      );
    }
    for (const [split, rows] of unlabelled)
      notes.push(`the split ${split} is left out: none of its ${rows} rows has a label in "${label}"`);
  }
  const named = byName && splitColumn === undefined ? table.parts.map(({ split }) => split ?? '') : undefined;
  const splits = splitColumn === undefined ? named : column?.splits;
  const kept = splits?.filter((split) => !unlabelled.has(split));
  return {
    ...(classes
      ? { classes, labelOf: createLabelIndex(classes, { given: isListed(table, roles, options) }) }
      : {}),
    ...(kept ? { splits: orderSplits(kept) } : {}),
    ...(splitColumn === undefined ? {} : { splitColumn }),
    minusOneIsNone,
    unlabelled: named ? unlabelled : new Map(),
    notes,
  };
};

/** Whether numbers count in a list of classes: one of the recipe, or of the features. */
const isListed = (table: ValueTable, { label = '' }: ValueRoles, { classes }: ValueSurveyOptions): boolean =>
  classes !== undefined || table.parts[0]?.features.get(label)?.classes !== undefined;
