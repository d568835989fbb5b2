/** Delimited files as pandas and Python's csv module read them (fixtures/make_tables.py). */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDelimited } from '../src/tables/delimited.ts';

interface Fixture {
  readonly cases: readonly {
    readonly name: string;
    readonly data: string;
    readonly delimiter: string;
    readonly quotes: 'csv' | 'none';
    readonly cells: readonly (readonly string[])[];
  }[];
}

const fixture = join(import.meta.dirname, 'fixtures', 'tables.json');
const { cases } = JSON.parse(await readFile(fixture, 'utf8')) as Fixture;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-tables-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('tables of Python tools', () => {
  it.each(cases)('$name: the same cells', async ({ data, delimiter, quotes, cells }) => {
    const path = join(folder, 'table');
    await writeFile(path, Buffer.from(data, 'base64'));
    const actual: unknown[] = [];
    for await (const item of readDelimited(path, { delimiter, quoting: quotes === 'csv' })) {
      actual.push(item.kind === 'record' ? item.fields : item.reason);
    }
    expect(actual).toEqual(cells);
  });
});
