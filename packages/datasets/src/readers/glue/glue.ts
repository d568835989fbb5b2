/** The tasks of GLUE as they are given out: folders of tables with tabs, in which quotes are text. */
import { basename, join } from 'node:path';
import { ConfigError, excerpt } from '@polygate/core';
import { z } from 'zod';
import { listFolder } from '../../files/folder-listing.ts';
import { requireFolder } from '../../files/paths.ts';
import { fault, type Reader, type ReaderItem } from '../../samples/sample.ts';
import { orderSplits } from '../../splits/split-names.ts';
import type { PathSurvey } from '../../survey/path-survey.ts';
import { firstLines } from '../../survey/survey-path.ts';
import { openTable, type Table, type WantedColumn } from '../../tables/table.ts';
import { defineReader, type ReaderFit } from '../dataset-reader.ts';
import { textSetting } from '../reader-settings.ts';
import { glueFilesOf, glueFolderTask, hasColumns, type GlueLayout } from './glue-folder.ts';
import { glueTaskNamed, glueTasks, type GlueColumn, type GlueTask } from './glue-tasks.ts';

export interface GlueOptions {
  /** Folder of one task, such as `glue_data/SST-2`. */
  readonly path: string;
  /** Name of the task. @default the one that the folder or its tables are of */
  readonly task?: string;
}

const wanted = (option: string, given: GlueColumn): WantedColumn => ({ role: option, option, given });

const openGlueTable = (path: string, { texts, label, header }: GlueTask): Promise<Table> =>
  openTable(path, { delimiter: '\t', quotes: 'none', header }, [
    ...texts.map((column) => wanted('text', column)),
    wanted('label', label),
  ]);

/** The task of a folder. @throws ConfigError where it is none */
const layoutOf = async ({ path, task: asked }: GlueOptions): Promise<GlueLayout> => {
  await requireFolder(path, 'GLUE folder');
  const entries = await listFolder(path, path);
  const files = entries.filter(({ kind }) => kind === 'file').map(({ name }) => name);
  if (asked !== undefined) {
    const layout = glueFilesOf(glueTaskNamed(asked), files);
    const { task } = layout;
    const [first] = layout.files;
    const lines = first && ((await firstLines(join(path, first.name))) ?? []);
    if (lines && hasColumns(task, lines)) return layout;
    const got = first
      ? `${first.name} that begins with ${excerpt(lines?.[0] ?? '', 120)}`
      : files.join(', ') || 'no file';
    throw new ConfigError(
      `GLUE ${path}: expected the files of ${asked} (${task.files.map(({ name }) => name).join(', ')}) with ${task.header ? `the columns ${[...task.texts, task.label].join(', ')}` : 'the label in the second of four columns'}, got ${got}; give the folder of that task as it is given out`,
      { code: 'glue-files', fields: { path, task: asked } },
    );
  }
  const layout = await glueFolderTask({
    name: basename(path),
    files,
    lines: (name) => firstLines(join(path, name)),
  });
  if (layout) return layout;
  throw new ConfigError(
    `GLUE ${path}: expected the folder of a task as it is given out (${glueTasks()
      .map(({ folders }) => folders[0])
      .join(', ')}), got ${files.join(', ') || 'no file'}; name it so, or set task`,
    { code: 'glue-files', fields: { path } },
  );
};

/** Opens the folder of a task. @returns its reader, and the task */
export const openGlue = async (
  options: GlueOptions,
): Promise<{ readonly reader: Reader; readonly task: GlueTask }> => {
  const { path } = options;
  const { task, files, unlabelled } = await layoutOf(options);
  const { labels, classes } = task;
  const tables = await Promise.all(
    files.map(async ({ name, split }) => ({
      name,
      split,
      table: await openGlueTable(join(path, name), task),
    })),
  );
  const reader: Reader = {
    name: `GLUE ${task.name}`,
    classes,
    splits: orderSplits(tables.map(({ split }) => split)),
    ...(unlabelled.length > 0
      ? {
          notes: [
            `${unlabelled.join(' and ')} ${unlabelled.length > 1 ? 'are' : 'is'} left out: the labels of GLUE's test rows are not given out`,
          ],
        }
      : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      for (const { name, split, table } of tables) {
        const columns = task.texts.map((column) => table.column(wanted('text', column)));
        const labelColumn = table.column(wanted('label', task.label));
        for await (const item of table.rows()) {
          const id = `${name}, line ${item.line}`;
          if (item.kind === 'bad-record') {
            yield fault(id, item.code, item.reason);
            continue;
          }
          const value = item.fields[labelColumn]?.trim() ?? '';
          const label = labels.indexOf(value);
          const texts = columns.map((column) => item.fields[column]?.trim() ?? '');
          if (label < 0)
            yield fault(id, 'unknown-label', `expected one of ${labels.join(', ')}, got "${value}"`);
          else if (texts.includes(''))
            yield fault(id, 'empty-text', 'expected a sentence, got an empty field');
          else yield { kind: 'sample', id, texts, label, split };
        }
      }
    },
  };
  return { reader, task };
};

const detectGlue = async (survey: PathSurvey): Promise<ReaderFit | undefined> => {
  if (survey.kind === 'file') return undefined;
  const layouts: (GlueLayout & { readonly folder: string })[] = [];
  for (const folder of ['', ...survey.foldersIn('')]) {
    const layout = await glueFolderTask({
      name: basename(folder === '' ? survey.path : folder),
      files: survey.filesIn(folder).map(({ name }) => name),
      lines: (name) => survey.lines(folder === '' ? name : `${folder}/${name}`),
    });
    if (layout) layouts.push({ ...layout, folder });
  }
  if (layouts.length === 0) return undefined;
  const named = layouts.map(
    ({ task, files }) => `${task.name} (${files.map(({ name }) => name).join(', ')})`,
  );
  return {
    fit: 'published',
    reason: `GLUE as it is given out: ${named.join(', ')}`,
    sources: layouts.map(({ task, folder }) => ({
      path: survey.at(folder === '' ? undefined : folder),
      task: task.name,
      ...(layouts.length > 1 ? { dataset: task.name } : {}),
    })),
  };
};

export const glueReader = defineReader({
  name: 'glue',
  summary: 'a task of GLUE as it is given out: CoLA, SST-2, MRPC, QQP, QNLI, RTE, MNLI',
  needs: 'the folder of a task of GLUE with train.tsv and dev.tsv, or with the files of MRPC or CoLA',
  settings: {
    path: textSetting,
    task: z
      .string()
      .refine((name) => glueTasks().some((task) => task.name === name), {
        error: () =>
          `expected a task of GLUE: ${glueTasks()
            .map(({ name }) => name)
            .join(', ')}`,
      })
      .optional(),
  },
  kinds: ['labelled-text'],
  paths: { path: 'all' },
  async open(settings) {
    const { reader, task } = await openGlue(settings);
    return {
      reader,
      kind: 'labelled-text',
      settings: { ...(task.texts.length === 2 ? { pairs: true } : {}), cloze: task.name },
      classesGiven: true,
    };
  },
  detect: detectGlue,
});
