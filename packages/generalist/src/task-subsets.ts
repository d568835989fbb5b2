/**
 * The samples that a task learns from, where its recipe says that they are not all of the split: chosen by its rule, or those
 * of a list. What was chosen is a list again, so that another run, or another library, can learn from the same samples.
 */
import { ConfigError, sha256 } from '@polygate/core';
import {
  chooseSubset,
  kindNamed,
  parseSubsetList,
  rowsOfList,
  type ChosenRows,
  type SubsetCandidate,
  type SubsetList,
} from '@polygate/datasets';
import {
  chosenRows,
  contentHash,
  hasColumn,
  nestedListRow,
  textRow,
  values,
  withColumns,
  type RecordBatch,
  type RowReader,
  type ShardSet,
} from '@polygate/stream';
import type { TaskRecipe } from '@polygate/tasks';
import { readFile } from 'node:fs/promises';
import type { OpenSuite } from './suite-data.ts';
import { taskDataset } from './task-recipes.ts';

/** Bounds what is read of a file that should be a list, in bytes: some millions of ids. */
const MAX_LIST_BYTES = 2 ** 28;
/** Column with the captions of a row. */
const CAPTIONS = 'captions';

/** A subset of a split, as it is read and as it is written down. */
export interface TaskSubset {
  readonly rows: RowReader;
  readonly list: SubsetList;
  /** What the rows are known by: those of other samples have another. */
  readonly hash: string;
}

/** A task of a recipe that learns from a part of its split. */
interface SubsetTask {
  readonly name: string;
  readonly recipe: TaskRecipe;
}

/** What each row shows that choosing depends on. */
const candidatesOf = async (shards: ShardSet): Promise<readonly SubsetCandidate[]> => {
  const candidates: SubsetCandidate[] = [];
  for await (const batch of shards.batches()) {
    const labels = hasColumn(batch, 'label') ? values(batch, 'label') : undefined;
    const isCaptioned = hasColumn(batch, CAPTIONS);
    for (let row = 0; row < batch.numRows; row += 1) {
      candidates.push({
        id: textRow(batch, 'id', row),
        ...(labels ? { label: Number(labels[row]) } : {}),
        ...(isCaptioned ? { captions: nestedListRow(batch, CAPTIONS, row).length } : {}),
      });
    }
  }
  return candidates;
};

/** The list in a file. @throws ConfigError for one that can't be read, FormatError for another content */
const readSubsetList = async (path: string): Promise<SubsetList> => {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new ConfigError(
      `subset list ${path}: expected a file with ids, got none that can be read; correct subset.list`,
      {
        code: 'subset-list-missing',
        fields: { path },
        cause,
      },
    );
  });
  if (bytes.length > MAX_LIST_BYTES) {
    throw new ConfigError(
      `subset list ${path}: expected at most ${MAX_LIST_BYTES} bytes, got ${bytes.length}`,
    );
  }
  return parseSubsetList(bytes.toString('utf8'), path);
};

/** What is left of the captions of chosen rows. */
const keepCaptions =
  (captions: NonNullable<ChosenRows['captions']>) =>
  (batch: RecordBatch, positions: readonly number[]): RecordBatch =>
    withColumns(batch, batch.schema, {
      [CAPTIONS]: positions.map((position, row) => {
        const all = nestedListRow(batch, CAPTIONS, row);
        return (captions[position] ?? []).map((caption) => Array.from(all[caption] ?? [], Number));
      }),
    });

const subsetOf = (
  shards: ShardSet,
  chosen: ChosenRows,
  list: Omit<SubsetList, 'rows' | 'captions' | 'of' | 'content'>,
): TaskSubset => {
  const { rows, captions } = chosen;
  const content = contentHash(shards.manifest);
  return {
    rows: chosenRows(shards, { rows, ...(captions ? { change: keepCaptions(captions) } : {}) }),
    list: { ...list, content, of: shards.rowCount, ...(captions ? { captions } : {}), rows },
    hash: sha256(JSON.stringify([content, rows, captions])),
  };
};

/** Rows that the list of a run has by number, where they are those of these shards. */
const numberedRows = ({ rows, captions, content }: SubsetList, shards: ShardSet): ChosenRows | undefined => {
  if (!rows || content !== contentHash(shards.manifest)) return undefined;
  if (rows.some((row) => row >= shards.rowCount)) return undefined;
  return { rows, ...(captions ? { captions } : {}) };
};

/**
 * The subset that a task learns from.
 * @param before the list of a run that goes on, which is taken as it is. @default chosen by the recipe
 * @returns undefined where the recipe asks for none
 * @throws ConfigError for more samples than there are, a class without samples, and ids that are not in the data
 */
const taskSubset = async (
  data: OpenSuite,
  { name, recipe }: SubsetTask,
  before?: SubsetList,
): Promise<TaskSubset | undefined> => {
  const { subset, dataset, split } = recipe;
  if (!subset) return undefined;
  const { kind, classes } = taskDataset(name, recipe, data.suite);
  const shards = await data.shards(dataset, split);
  const text = `${dataset}, ${split}`;
  const about = { dataset, split, rule: subset };
  const numbered = before && numberedRows(before, shards);
  if (before && numbered) return subsetOf(shards, numbered, { ...about, ids: before.ids });
  const given = before ?? (subset.list === undefined ? undefined : await readSubsetList(subset.list));
  const candidates = await candidatesOf(shards);
  const { hasClasses, subsetUnit = hasClasses ? 'classes' : 'samples' } = kindNamed(kind);
  const chosen = given
    ? rowsOfList(candidates, given, { list: subset.list ?? `of the run (task ${name})`, data: text })
    : chooseSubset(candidates, subset, { name: text, unit: subsetUnit, classes });
  const ids = chosen.rows.map((row) => candidates[row]?.id ?? '');
  return subsetOf(shards, chosen, { ...about, ids });
};

/**
 * The parts of splits that tasks learn from, by task, for those that don't learn from all.
 * @param before lists of a run that goes on, by task
 * @throws ConfigError for more samples than there are, a class without samples, and ids that are not in the data; FormatError
 * for a file that is no list
 */
export const subsetsOf = async (
  data: OpenSuite,
  tasks: Iterable<readonly [string, TaskRecipe]>,
  before: ReadonlyMap<string, SubsetList> = new Map(),
): Promise<ReadonlyMap<string, TaskSubset>> => {
  const subsets = new Map<string, TaskSubset>();
  for (const [name, recipe] of tasks) {
    const subset = await taskSubset(data, { name, recipe }, before.get(name));
    if (subset) subsets.set(name, subset);
  }
  return subsets;
};
