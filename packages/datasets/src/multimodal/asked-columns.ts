/** What is asked of the rows of a table: a class of one column, or numbers of some. */
import { ConfigError, excerpt } from '@polygate/core';
import { ClassFinder, createLabelIndex } from '../samples/class-names.ts';
import { fault, type Fault, type Sample } from '../samples/sample.ts';
import { labelColumns } from '../tables/column-names.ts';
import type { Table } from '../tables/table.ts';
import { commaRemedy, isMissing, numberOf } from './table-columns.ts';

/** What columns that are asked are usually called: those of labels, and what tables of measurements have in their place. */
export const askedNames: readonly string[] = [
  ...labelColumns,
  'outcome',
  'diagnosis',
  'response',
  'survived',
  'kind',
];

/** What is asked of a row. */
export interface AskedColumns {
  readonly kind: string;
  readonly classes?: readonly string[];
  readonly outputs?: readonly string[];
  of(id: string, cells: readonly string[]): Pick<Sample, 'label' | 'targets'> | Fault;
}

/**
 * Classes by a column of labels.
 * @throws ConfigError where none of its cells holds one
 */
export const askedClasses = async (
  table: Table,
  index: number,
  given: readonly string[] | undefined,
): Promise<AskedColumns> => {
  const finder = new ClassFinder('multimodal table');
  for await (const item of table.rows()) {
    const cell = item.kind === 'record' ? (item.fields[index] ?? '').trim() : '';
    if (!given && !isMissing(cell)) finder.add(cell);
  }
  const classes = given ?? finder.classes();
  if (classes.length === 0) {
    throw new ConfigError(
      `multimodal table: expected labels in column "${table.columns[index] ?? index}", got none; set labelColumn to the column that holds them`,
      { code: 'no-labels' },
    );
  }
  const labelOf = createLabelIndex(classes, { given: given !== undefined });
  return {
    kind: 'multimodal-classes',
    classes,
    of(id, [cell = '']) {
      if (isMissing(cell)) return fault(id, 'no-label', 'expected a label, got an empty field');
      const label = labelOf(cell.trim());
      return label === undefined
        ? fault(
            id,
            'unknown-label',
            `expected one of ${classes.slice(0, 8).join(', ')}, got ${excerpt(cell.trim())}`,
          )
        : { label };
    },
  };
};

/** Numbers by their columns, which give them their names. */
export const askedNumbers = (names: readonly string[]): AskedColumns => ({
  kind: 'multimodal-numbers',
  outputs: names,
  of(id, cells) {
    const targets = names.map((_, at) => numberOf(cells[at] ?? ''));
    const bad = targets.findIndex((value) => value === undefined || !Number.isFinite(value));
    if (bad < 0) return { targets: targets as number[] };
    const cell = cells[bad] ?? '';
    const remedy = commaRemedy(cell);
    return fault(
      id,
      'no-target',
      `expected a number in column "${names[bad] ?? ''}", got ${excerpt(cell)}${remedy === '' ? '' : `; ${remedy}`}`,
    );
  },
});
