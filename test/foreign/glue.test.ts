/** The tables of GLUE as they are given out, read as pandas and `datasets` read them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare, recipeForPath } from '@polygate/app-prepare';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtures, preparedRows, readRecord } from './prepared-rows.ts';

interface Row {
  readonly split: string;
  readonly texts: readonly string[];
  readonly label: string;
}

interface Case {
  readonly task: string;
  /** Folder of the task. */
  readonly path: string;
  readonly classes: readonly string[];
  /** Rows of too few cells. */
  readonly cut: number;
  readonly rows: readonly Row[];
}

const { cases } = readRecord<{ readonly cases: readonly Case[] }>('glue.json');
let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-foreign-glue-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const sorted = (rows: readonly Row[]): readonly Row[] =>
  [...rows].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

describe('GLUE as it is given out', () => {
  it.each(cases)('$path has the rows that Python reads', async ({ task, path, classes, cut, rows }) => {
    const notes: string[] = [];
    const logger = { info() {}, warn: (text: string) => void notes.push(text), error() {}, debug() {} };
    const prepared = await prepare(
      {
        recipe: {
          name: path.toLowerCase(),
          tokenizer: { vocabularySize: 300, lowercase: false },
          baselines: false,
          sources: { glue: { source: 'glue', path: join(fixtures, 'glue', path) } },
        },
        output: join(root, 'data'),
      },
      { logger },
    );
    const [dataset] = prepared.suite.datasets;
    expect(prepared.suite.quarantine).toEqual(cut > 0 ? { 'field-count': cut } : {});
    expect(dataset?.classes).toEqual(classes);
    const pairs = rows[0]?.texts.length === 2 ? { pairs: true } : {};
    expect(dataset?.settings).toEqual({ cloze: task, ...pairs });
    const got = (await preparedRows(prepared, 'glue')).map(({ split, texts = [], label = '' }) => ({
      split,
      texts,
      label,
    }));
    expect(sorted(got)).toEqual(sorted(rows));
    // Test rows without labels are left out, with the reason.
    const left = notes.filter((note) => note.includes('left out'));
    expect(left.length).toBe(path === 'MSRParaphraseCorpus' ? 0 : 1);
    if (left.length > 0) expect(left[0]).toContain("the labels of GLUE's test rows are not given out");
  });

  it.each(cases)('--from finds $path', async ({ task, path }) => {
    const { reader, recipe } = await recipeForPath(join(fixtures, 'glue', path));
    expect(reader).toBe('glue');
    expect(Object.values(recipe.sources)).toMatchObject([{ source: 'glue', task }]);
  });

  it('--from makes a dataset of each task of a folder of all', async () => {
    const { reason, recipe } = await recipeForPath(join(fixtures, 'glue'));
    const datasets = Object.values(recipe.sources).map((source) => source['dataset']);
    expect(datasets).toEqual(['cola', 'mnli', 'mrpc', 'qnli', 'qqp', 'rte', 'sst-2']);
    expect(reason).toContain('mnli (train.tsv, dev_matched.tsv, dev_mismatched.tsv)');
  });

  it('says what a folder lacks', async () => {
    const refused = async (source: object): Promise<string> => {
      const recipe = { name: 'glue', sources: { glue: { source: 'glue', ...source } } };
      return prepare({ recipe, output: join(root, 'data') }).then(
        () => '',
        (error: Error) => error.message,
      );
    };
    expect(await refused({ path: join(fixtures, 'glue') })).toContain(
      'expected the folder of a task as it is given out (CoLA, SST-2, MRPC, QQP, QNLI, RTE, MNLI), got no file',
    );
    expect(await refused({ path: join(fixtures, 'glue/SST-2'), task: 'mnli' })).toContain(
      'expected the files of mnli (train.tsv, dev_matched.tsv, dev_mismatched.tsv) with the columns sentence1, sentence2, gold_label, got train.tsv that begins with "sentence\\tlabel"; give the folder of that task as it is given out',
    );
    expect(await refused({ path: join(fixtures, 'glue/SST-2'), task: 'wnli' })).toContain(
      'expected a task of GLUE',
    );
  });
});
