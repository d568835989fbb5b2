/** A suite from somebody's rows, opened and read as what prepare writes is. */
import { datasetSchema, writeSuite } from '@polygate/datasets';
import { ConfigError } from '@polygate/core';
import { defaultTasks, openSuite } from '@polygate/generalist';
import { fromRows } from '@polygate/stream';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { classes, picture, tinyTokenizer } from './tiny-suite.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-write-suite-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const tokenizer = tinyTokenizer();
const labelled = datasetSchema({ kind: 'labelled-image', imageSize: 8, classes });
const captioned = datasetSchema({ kind: 'captioned-image', imageSize: 8, tokenizer: tokenizer.hash });
const rows = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    id: `row-${i}`,
    image: picture('red', 'bar', i),
    label: i % classes.length,
    captions: [[...tokenizer.encode('a red bar')]],
  }));

it('opens as a suite, with the tasks that its datasets allow, and is sealed', async () => {
  const folder = join(root, 'own');
  const written = await writeSuite(folder, {
    name: 'own',
    tokenizer,
    datasets: {
      colours: { train: fromRows(labelled, rows(6)), test: fromRows(labelled, rows(2)) },
      pictures: { train: fromRows(captioned, () => rows(3)), test: fromRows(captioned, []) },
    },
  });
  await using data = await openSuite(folder);
  expect(data.suite).toEqual(written);
  expect(data.suite.datasets).toEqual([
    { name: 'colours', kind: 'labelled-image', splits: { train: { rows: 6 }, test: { rows: 2 } }, classes },
    { name: 'pictures', kind: 'captioned-image', splits: { train: { rows: 3 } } },
  ]);
  expect(data.suite.image).toEqual({ height: 8, width: 8 });
  expect(Object.keys(defaultTasks(data.suite))).toEqual([
    'colours',
    'pictures/captioning',
    'pictures/retrieval',
  ]);
  expect((await data.shards('pictures', 'train')).rowCount).toBe(3);
});

it('refuses what no run could read', async () => {
  const write = (name: string, split: string, source: ReturnType<typeof fromRows>) =>
    writeSuite(join(root, 'never'), { name: 'never', tokenizer, datasets: { [name]: { [split]: source } } });
  await expect(write('../up', 'train', fromRows(labelled, rows(1)))).rejects.toThrow(
    'suite: expected a name of a dataset that is the name of a folder, got "../up"',
  );
  await expect(write('empty', 'train', fromRows(labelled, []))).rejects.toThrow(
    'suite: expected rows in dataset "empty", got none; leave it out, or mend its source',
  );
  const other = datasetSchema({ kind: 'captioned-image', imageSize: 8, tokenizer: 'another' });
  await expect(write('other', 'train', fromRows(other, rows(1)))).rejects.toThrow(ConfigError);
  const larger = datasetSchema({ kind: 'labelled-image', imageSize: 16, classes });
  const both = { a: { train: fromRows(labelled, rows(1)) }, b: { train: fromRows(larger, []) } };
  await expect(writeSuite(join(root, 'never'), { name: 'never', tokenizer, datasets: both })).rejects.toThrow(
    'suite: expected pictures of one size, got 8 x 8 in "a" and 16 x 16 in "b"; resize them alike',
  );
});
