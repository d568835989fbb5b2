/**
 * The page about own data shows the settings that are tested: each of its recipes is one of those that the files of other
 * tools are compared with, under names that fit a reader.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePrepareRecipe } from '@polygate/app-prepare';
import { allReaders } from '@polygate/datasets';
import { describe, expect, it } from 'vitest';
import { readRecord } from './foreign/prepared-rows.ts';

type Sources = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

interface Case {
  readonly name: string;
  readonly source?: Sources[string];
  readonly sources?: Sources;
}

const page = readFileSync(join(import.meta.dirname, '../docs/own-data.md'), 'utf8');
const blocks = [...page.matchAll(/^```json(?: sources (.+))?\n([\s\S]*?)^```$/gmu)].map(
  ([, name, text = '']) => ({ name, value: JSON.parse(text) as Sources }),
);
const cases = ['samples.json', 'labels.json', 'formats.json', 'videos.json', 'glue.json'].flatMap(
  (file) => readRecord<{ readonly cases: readonly Case[] }>(file).cases,
);

/** Names of files and folders are the reader's, and splits of one source are drawn or named as one likes. */
const paths: ReadonlySet<string> = new Set([
  'path',
  'file',
  'files',
  'images',
  'videos',
  'root',
  'annotations',
  'index',
  'dataset',
]);
const draws: ReadonlySet<string> = new Set(['split', 'validationPercent', 'testPercent']);

const settings = (sources: Sources): unknown[] => {
  const list = Object.values(sources);
  return list.map((source) =>
    Object.fromEntries(
      Object.entries(source).filter(([key]) => !paths.has(key) && !(list.length === 1 && draws.has(key))),
    ),
  );
};

describe('the page about own data', () => {
  it.each(blocks.filter(({ name }) => name !== undefined))(
    'shows the settings of $name',
    ({ name, value }) => {
      const tested = cases.find((each) => each.name === name);
      expect(settings(value)).toEqual(settings(tested?.sources ?? { p: tested?.source ?? {} }));
      expect(Object.keys(parsePrepareRecipe({ name: 'own', sources: value }).sources)).toEqual(
        Object.keys(value),
      );
    },
  );

  it('begins with a whole recipe', () => {
    const whole = blocks.filter(({ name }) => name === undefined);
    expect(whole.map(({ value }) => parsePrepareRecipe(value).name)).toEqual(['photos']);
    expect(blocks.length).toBeGreaterThan(10);
  });

  it('names every source of own data that there is', () => {
    const plain = allReaders().filter(
      ({ givesPlans, paths }) => !givesPlans && Object.keys(paths).length > 0,
    );
    expect(plain.length).toBeGreaterThan(9);
    for (const { name } of plain) expect(page).toContain(`\`${name}\``);
  });
});
