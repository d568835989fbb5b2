import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StoredInput } from '@polygate/stream';
import { sampleOfFields } from './sample-of-fields.ts';
import { sampleOfFile } from './sample-of-file.ts';
import { samplesOfTable } from './samples-of-table.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-fields-'));
  for (const name of ['a.wav', 'a.png']) await writeFile(join(folder, name), '');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const inputs: Readonly<Record<string, StoredInput>> = {
  audio: { modality: 'audio', form: 'audio', column: 'clip' },
  image: { modality: 'visual', form: 'image' },
  text: { modality: 'text', form: 'text', column: 'note' },
  force: { modality: 'force', form: 'values', shape: [2, 2] },
  table: {
    modality: 'table',
    form: 'values',
    shape: [3],
    columns: [
      { name: 'age', kind: 'number' },
      { name: 'ward', kind: 'category', values: ['north', 'south'] },
      { name: 'smoker', kind: 'category', values: ['False', 'True'] },
    ],
  },
};

const sample = (fields: Readonly<Record<string, unknown>>, told: string[] = []) =>
  sampleOfFields(fields, inputs, {
    name: 's',
    folder,
    onNew: (column, text) => told.push(`${column}: ${text}`),
  });

describe('a sample by its values', () => {
  it('has each input from its field, by the name of the input or of its column', async () => {
    expect(
      await sample({
        clip: 'a.wav',
        image: 'a.png',
        note: 'well',
        force: [
          [1, null],
          [3, 4],
        ],
        ward: 'south',
        smoker: 'True',
      }),
    ).toEqual({
      audio: { kind: 'path', path: join(folder, 'a.wav') },
      image: { kind: 'path', path: join(folder, 'a.png') },
      text: { kind: 'bytes', bytes: new TextEncoder().encode('well') },
      force: { kind: 'values', values: Float64Array.of(1, Number.NaN, 3, 4), shape: [2, 2] },
      table: { kind: 'values', values: Float64Array.of(Number.NaN, 1, 1), shape: [3] },
    });
    // A table may be given whole, too.
    expect(await sample({ table: [7, 0, null] })).toEqual({
      table: { kind: 'values', values: Float64Array.of(7, 0, Number.NaN), shape: [3] },
    });
  });

  it('lacks what is null, left out or new', async () => {
    const told: string[] = [];
    expect(await sample({ age: 4, ward: 'west', clip: null, image: '' }, told)).toEqual({
      table: { kind: 'values', values: Float64Array.of(4, Number.NaN, Number.NaN), shape: [3] },
    });
    expect(told).toEqual(['ward: west']);
    await expect(sample({ age: null })).rejects.toThrow(
      'sample s: expected a value for one of ["clip","image","note","force","age","ward","smoker"], got none',
    );
  });

  it.each([
    [{ agee: 3 }, 'got "agee"; correct its name, or leave it out'],
    [{ age: 'old' }, 'expected a number for "age", got "old"'],
    [{ clip: 3 }, 'expected the path of a recording for "clip", got 3'],
    [{ note: 3 }, 'expected a text for "note", got 3'],
    [{ clip: 'b.wav' }, 'expected the file of "clip" to be there, got nothing at'],
    [
      { force: [[1], [2, 3]] },
      'expected numbers in lists of one length, or a path for "force", got [[1],[2,3]]',
    ],
    [{ force: { a: 1 } }, 'expected numbers in lists of one length, or a path for "force"'],
  ])('refuses %j', async (fields, text) => {
    await expect(sample(fields)).rejects.toThrow(text);
  });

  it('stands in a file, and as text; rows of a table are several', async () => {
    const text = '{"age": 5, "image": "a.png"}';
    const file = join(folder, 'one.json');
    await writeFile(file, text);
    const wanted = { table: { shape: [3] }, image: { path: join(folder, 'a.png') } };
    expect(await sampleOfFile(file, inputs)).toMatchObject(wanted);
    expect(await sampleOfFile(text, inputs, { folder })).toMatchObject(wanted);
    await writeFile(file, '[1]');
    await expect(sampleOfFile(file, inputs)).rejects.toThrow(
      'expected a JSON object of values and paths, got [1]',
    );

    const table = join(folder, 'rows.csv');
    await writeFile(table, 'ward,other,age\nwest,1,2\nnorth,2,x\nwest,3,\nnorth,4,5\n');
    const told: string[] = [];
    const rows = [];
    for await (const row of samplesOfTable(table, inputs, {
      onNew: (...parts) => told.push(parts.join(' ')),
    }))
      rows.push(row);
    expect(rows).toMatchObject([
      { row: 'line 2', contents: { table: { values: Float64Array.of(2, Number.NaN, Number.NaN) } } },
      { row: 'line 3', reason: 'sample line 3: expected a number for "age", got "x"' },
      { row: 'line 4', reason: expect.stringContaining('expected a value for one of') as string },
      { row: 'line 5', contents: { table: { values: Float64Array.of(5, 0, Number.NaN) } } },
    ]);
    expect(told).toEqual(['ward west']);
    await writeFile(table, 'x,y\n1,2\n');
    await expect(samplesOfTable(table, inputs).next()).rejects.toThrow(
      'give a table of what the model was trained on',
    );
  });
});
