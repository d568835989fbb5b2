/** Which files of a folder are those of a GLUE task. */
import { glueTasks, type GlueColumn, type GlueFile, type GlueTask } from './glue-tasks.ts';

/** A folder that may be one of a task. */
export interface GlueFolder {
  /** Its name, without the path. */
  readonly name: string;
  /** Names of the files right in it. */
  readonly files: readonly string[];
  /** First lines of a file; undefined where it is no text. */
  lines(file: string): Promise<readonly string[] | undefined>;
}

/** A task with those of its files that are there. */
export interface GlueLayout {
  readonly task: GlueTask;
  readonly files: readonly GlueFile[];
  /** Files of the task whose rows have no labels. */
  readonly unlabelled: readonly string[];
}

/** The files of a task that a folder has: as GLUE gives them out, else as they were before. */
export const glueFilesOf = (task: GlueTask, names: readonly string[]): GlueLayout => {
  const there = (files: readonly GlueFile[]): readonly GlueFile[] =>
    files.filter(({ name }) => names.includes(name));
  const files = there(task.files);
  return {
    task,
    files: files.length > 0 ? files : there(task.originals ?? []),
    unlabelled: task.unlabelled.filter((name) => names.includes(name)),
  };
};

/** Cells of a line; the mark that some editors put before the first one is none of its text. */
const cellsOf = (line: string): readonly string[] => line.replace(/^\uFEFF/u, '').split('\t');

/** Whether a table has the columns of a task, by its first lines. */
export const hasColumns = (task: GlueTask, lines: readonly string[]): boolean => {
  const [first = ''] = lines;
  const cells = cellsOf(first);
  const has = (column: GlueColumn): boolean =>
    typeof column === 'number' ? column < cells.length : cells.includes(column);
  if (![...task.texts, task.label, ...(task.signs ?? [])].every(has)) return false;
  return task.header || (typeof task.label === 'number' && task.labels.includes(cells[task.label] ?? ''));
};

/**
 * The task whose files a folder holds: by its name, or by columns that no other table has.
 * @returns undefined where there is none
 */
export const glueFolderTask = async (folder: GlueFolder): Promise<GlueLayout | undefined> => {
  const name = folder.name.toLowerCase();
  for (const task of glueTasks()) {
    const called = task.folders.some((each) => each.toLowerCase() === name);
    if (!called && !task.signs) continue;
    const layout = glueFilesOf(task, folder.files);
    const [first] = layout.files;
    const lines = first && (await folder.lines(first.name));
    if (lines && hasColumns(task, lines)) return layout;
  }
  return undefined;
};
