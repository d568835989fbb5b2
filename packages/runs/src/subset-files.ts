/** The subsets of a run: a list for each task that learns from a part of its split, in the folder `subsets`. */
import { formatSubsetList, parseSubsetList, type SubsetList } from '@polygate/datasets';
import { subsetsOf, type OpenSuite, type TaskSubset } from '@polygate/generalist';
import { isPlainName } from '@polygate/core';
import { makeFolder, writeFileAtomic } from '@polygate/core/node';
import type { TaskRecipe } from '@polygate/tasks';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const SUBSETS_FOLDER = 'subsets';

/** The file of a task's list; names of tasks may hold what names of files may not. */
const fileOf = (run: string, task: string): string =>
  join(run, SUBSETS_FOLDER, `${isPlainName(task) ? task : encodeURIComponent(task)}.json`);

/**
 * The parts of splits that the tasks of a run learn from: those that a run which goes on, or whose batches are drawn again,
 * wrote down, else as its recipe says.
 * @throws ConfigError for subsets that the data can't give; FormatError for a damaged list
 */
export const runSubsets = async (
  data: OpenSuite,
  tasks: Readonly<Record<string, TaskRecipe>>,
  { run }: { readonly run?: string | undefined },
): Promise<ReadonlyMap<string, TaskSubset>> => {
  const before = new Map<string, SubsetList>();
  for (const [name, { subset }] of Object.entries(tasks)) {
    if (!subset || run === undefined) continue;
    const path = fileOf(run, name);
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text !== undefined) before.set(name, parseSubsetList(text, path));
  }
  return subsetsOf(data, Object.entries(tasks), before);
};

/** Writes down what the tasks of a run learn from. */
export const recordSubsets = async (run: string, subsets: ReadonlyMap<string, TaskSubset>): Promise<void> => {
  if (subsets.size > 0) await makeFolder(join(run, SUBSETS_FOLDER));
  for (const [name, { list }] of subsets) await writeFileAtomic(fileOf(run, name), formatSubsetList(list));
};
