/** A suite from somebody's rows, opened and read as what prepare writes is. */
import { datasetSchema, readSuite, SUITE_FILE, writeSuite } from '@polygate/datasets';
import { ConfigError } from '@polygate/core';
import { defaultTasks, openSuite } from '@polygate/generalist';
import { fromRows } from '@polygate/stream';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { classes, drawImage, tinyTokenizer } from './tiny-suite.ts';

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
    image: drawImage('red', 'bar', i),
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
      images: { train: fromRows(captioned, () => rows(3)), test: fromRows(captioned, []) },
    },
  });
  await using data = await openSuite(folder);
  expect(data.suite).toEqual(written);
  expect(data.suite.datasets).toEqual([
    { name: 'colours', kind: 'labelled-image', splits: { train: { rows: 6 }, test: { rows: 2 } }, classes },
    { name: 'images', kind: 'captioned-image', splits: { train: { rows: 3 } } },
  ]);
  expect(data.suite.image).toEqual({ height: 8, width: 8 });
  expect(Object.keys(defaultTasks(data.suite))).toEqual(['colours', 'images/captioning', 'images/retrieval']);
  expect((await data.shards('images', 'train')).rowCount).toBe(3);
});

it('is refused where it is not the one that suite.json was written with', async () => {
  const parts = (name: string, shift: number) => ({
    name,
    tokenizer,
    datasets: {
      colours: {
        train: fromRows(labelled, rows(4)),
        test: fromRows(labelled, rows(4 + shift).slice(shift)),
      },
    },
  });
  const [folder, other] = [join(root, 'mine'), join(root, 'others')];
  await writeSuite(folder, parts('mine', 1));
  await writeSuite(other, parts('others', 2));
  const open = async (split: string): Promise<void> => {
    await using data = await openSuite(folder);
    await data.shards('colours', split);
  };
  const [train, test] = ['train', 'test'].map((split) => join(folder, 'colours', split)) as [string, string];
  await open('test');
  const aside = join(root, 'aside');
  await rename(train, aside);
  await rename(test, train);
  await rename(aside, test);
  for (const split of ['train', 'test'])
    await expect(open(split)).rejects.toThrow(
      new RegExp(
        `^suite mine: expected .*colours.${split} to hold a _manifest\\.json of SHA-256 [0-9a-f]{64}, as suite\\.json says of colours/${split}, got [0-9a-f]{64}; the folder was exchanged or made anew: put its own back, or run prepare again$`,
        'u',
      ),
    );
  await rm(test, { recursive: true });
  await rename(join(other, 'colours', 'test'), test);
  await expect(open('test')).rejects.toMatchObject({ code: 'split-differs' });

  const path = join(folder, SUITE_FILE);
  const sealed = await readFile(path, 'utf8');
  const written = await readSuite(folder);
  const reversed = { ...written, datasets: [{ ...written.datasets[0], classes: classes.toReversed() }] };
  await writeFile(path, JSON.stringify(reversed));
  await expect(readSuite(folder)).rejects.toThrow(
    `suite ${path}: expected the SHA-256 of itself at its end, got none; it is damaged or was edited: restore it from a copy or run prepare again`,
  );
  await writeFile(path, sealed.replace('"mine"', '"mime"'));
  await expect(readSuite(folder)).rejects.toThrow('at its end, got that of another content;');
  // Suites of older versions list no files, and had no seal: their rows are compared.
  const { files: _, ...old } = written;
  await writeFile(path, JSON.stringify(old));
  await open('test');
  await writeFile(path, JSON.stringify(old).replace('"rows":4', '"rows":5'));
  await expect(open('train')).rejects.toThrow('to hold 5 rows, as suite.json says of colours/train, got 4;');
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
    'suite: expected images of one size, got 8 x 8 in "a" and 16 x 16 in "b"; resize them alike',
  );
});
