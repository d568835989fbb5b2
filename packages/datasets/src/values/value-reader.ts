/** A table of values as a reader of samples: whatever its files are, Parquet, Arrow or lists of files. */
import { type Budgets, excerpt, resolveBudgets } from '@polygate/core';
import { createImageFinder, type ImageFinder, type ImageNameOptions } from '../images/image-finder.ts';
import { labelName } from '../samples/class-names.ts';
import { fault, type Fault, type Reader, type ReaderItem, type Sample } from '../samples/sample.ts';
import { noSplit, splitOfCell } from '../splits/split-cell.ts';
import { ImageRows, rowKey } from '../samples/image-rows.ts';
import {
  imageOfCell,
  isMinusOne,
  isProblem,
  isUnlabelled,
  paragraphsOf,
  textsOfCell,
} from './value-cells.ts';
import { rolesOf, type ValueKind, type ValueRoleOptions, type ValueRoles } from './value-roles.ts';
import {
  requireSameColumns,
  surveyValues,
  type ValueSurvey,
  type ValueSurveyOptions,
} from './value-survey.ts';
import type { ValuePart, ValueTable } from './value-table.ts';
import { plainValue, type ValueRows } from './value-type.ts';

export interface ValueReaderOptions extends ValueRoleOptions, ValueSurveyOptions, ImageNameOptions {
  /** Folder of images that rows name, where they do not hold the bytes. @default the folder of the file */
  readonly images?: string;
  /** `textBytes` bounds a text. @default those of core */
  readonly budgets?: Partial<Budgets>;
}

/** A table opened as samples. */
export interface ValueReader {
  readonly reader: Reader;
  readonly kind: ValueKind;
  /** Whether labelled texts are pairs. */
  readonly pairs: boolean;
}

interface RowRules {
  readonly roles: ValueRoles;
  readonly survey: ValueSurvey;
  readonly budgets: Budgets;
  readonly finder: ImageFinder;
  readonly part: ValuePart;
}

/** A row; `key` is what rows of one image file share. */
interface Row {
  readonly sample: Sample;
  readonly key?: string;
}

const columnsOf = ({ image, label, id, texts }: ValueRoles, { splitColumn }: ValueSurvey): string[] => [
  ...new Set([image, label, id, splitColumn, ...texts].filter((name) => name !== undefined)),
];

const toRow = async (rows: ValueRows, index: number, rules: RowRules): Promise<Row | Fault> => {
  const { roles, survey, budgets, finder, part } = rules;
  const rowId = `${part.id}/${rows.rowName?.(index) ?? rows.start + index}`;
  const cell = (name: string): unknown => plainValue(rows.columns.get(name)?.(index));
  const named = roles.id === undefined ? undefined : labelName(cell(roles.id));
  const id = named ?? rowId;
  const texts: string[] = [];
  for (const name of roles.texts) {
    const cellTexts = textsOfCell(cell(name), budgets);
    if (isProblem(cellTexts)) return fault(id, cellTexts.code, `column "${name}": ${cellTexts.reason}`);
    texts.push(...(roles.kind === 'text' ? cellTexts.flatMap(paragraphsOf) : cellTexts));
  }
  let label: number | undefined;
  if (roles.label !== undefined) {
    const value = cell(roles.label);
    if (isUnlabelled(value) || (survey.minusOneIsNone && isMinusOne(value)))
      return fault(id, 'no-label', `expected a label in "${roles.label}", got none`);
    label = survey.labelOf?.(value);
    if (label === undefined)
      return fault(
        id,
        'unknown-label',
        `expected one of ${excerpt(survey.classes?.slice(0, 8) ?? [])}, got ${excerpt(value, 80)}`,
      );
  }
  let split = survey.splitColumn === undefined && survey.splits ? part.split : undefined;
  if (survey.splitColumn !== undefined) {
    const value = cell(survey.splitColumn);
    split = splitOfCell(value);
    if (split === undefined) return noSplit(id, value, ` in "${survey.splitColumn}"`);
  }
  const common = {
    kind: 'sample',
    ...(texts.length > 0 ? { texts } : {}),
    ...(label === undefined ? {} : { label }),
    ...(split === undefined ? {} : { split }),
  } as const;
  if (roles.image === undefined) return { sample: { ...common, id } };
  const image = imageOfCell(cell(roles.image));
  if (isProblem(image)) return fault(id, image.code, image.reason);
  if (image.kind !== 'name') return { sample: { ...common, id, image } };
  const file = await finder.find(image.name);
  if (file.kind === 'fault') return file;
  const sample: Sample = {
    ...common,
    id: named ?? `${part.idPrefix ?? ''}${file.key}`,
    image: { kind: 'path', path: file.path },
  };
  return { sample, key: rowKey(file.path, sample) };
};

/**
 * Opens a table of values. Ids are those of the id column, the names of image files, or `FILE/ROW`.
 * @throws ConfigError for columns that are missing or can't be told apart, files that differ, and no label at all
 */
export const openValueTable = async (
  table: ValueTable,
  options: ValueReaderOptions = {},
): Promise<ValueReader> => {
  const roles = rolesOf(table, options);
  const survey = await surveyValues(table, roles, options);
  const columns = columnsOf(roles, survey);
  requireSameColumns(table, columns);
  const budgets = resolveBudgets(options.budgets);
  const parts = table.parts.filter(({ split = '' }) => !survey.unlabelled.has(split));
  const finders = new Map<string, ImageFinder>();
  const finderOf = ({ folder }: ValuePart): ImageFinder => {
    const root = options.images ?? folder;
    const finder = finders.get(root) ?? createImageFinder(root, options);
    finders.set(root, finder);
    return finder;
  };
  async function* rowsOf(wanted: readonly string[]): AsyncGenerator<Row | Fault> {
    for (const part of parts) {
      const rules: RowRules = { roles, survey, budgets, finder: finderOf(part), part };
      for await (const rows of part.groups(wanted)) {
        yield* rows.faults ?? [];
        for (let index = 0; index < rows.length; index += 1) yield toRow(rows, index, rules);
      }
    }
  }
  // Rows that hold their images are samples of their own; those that name files are joined by the file.
  const joined = roles.named ? new ImageRows() : undefined;
  if (joined) {
    for await (const row of rowsOf(columns))
      if ('key' in row && row.key !== undefined) joined.expect(row.key);
    joined.settle();
  }
  const { classes, splits, notes, unlabelled } = survey;
  const reader: Reader = {
    name: table.name,
    ...(classes ? { classes } : {}),
    ...(splits ? { splits } : {}),
    ...(notes.length > 0 ? { notes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      for (const [split, rows] of unlabelled)
        yield fault(
          split,
          'no-labels-in-split',
          `expected labels, got none in ${rows} rows of the split ${split}`,
        );
      const pass = joined?.begin();
      for await (const row of rowsOf(columns)) {
        const item =
          'reason' in row ? row : pass && row.key !== undefined ? pass.add(row.key, row.sample) : row.sample;
        if (item) yield item;
      }
      if (pass) yield* pass.rest();
    },
  };
  return { reader, kind: roles.kind, pairs: roles.kind === 'labelled-text' && roles.texts.length === 2 };
};
