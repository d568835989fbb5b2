import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  MAX_FIELDS,
  MAX_RECORD_LENGTH,
  readDelimited,
  type DelimitedOptions,
  type RecordItem,
} from './delimited.ts';
import { readLines, type LineItem } from './lines.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-delimited-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const records = async (content: string | Uint8Array, options: DelimitedOptions): Promise<RecordItem[]> => {
  const path = join(root, 'table');
  await writeFile(path, content);
  const out: RecordItem[] = [];
  for await (const item of readDelimited(path, options)) out.push(item);
  return out;
};

const fields = (items: readonly RecordItem[]): unknown[] =>
  items.map((item) => (item.kind === 'record' ? item.fields : item.code));

describe('delimited text', () => {
  it('reads quotes, doubled quotes, line ends in fields, CRLF and a byte order mark', async () => {
    const text = '\uFEFFa,b\r\n"x, y","say ""hi"""\r\n\r\n"two\nlines",z\n';
    const items = await records(text, { delimiter: ',' });
    expect(fields(items)).toEqual([
      ['a', 'b'],
      ['x, y', 'say "hi"'],
      ['two\nlines', 'z'],
    ]);
    // Lines: header 1, second record 2, blank 3, third record from line 4.
    expect(items.map(({ line }) => line)).toEqual([1, 2, 4]);
  });

  it('leaves quotes alone where quoting is off', async () => {
    const items = await records('"a\t"b""\n', { delimiter: '\t', quoting: false });
    expect(fields(items)).toEqual([['"a', '"b""']]);
  });

  it('gives back what was written, whatever the fields hold', async () => {
    const field = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', 'é', '😀', ' ') });
    const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1 }),
        async (rows) => {
          const text = rows.map((row) => row.map(quote).join(',')).join('\r\n');
          expect(fields(await records(text, { delimiter: ',' }))).toEqual(rows);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('reports damage by line and goes on', async () => {
    const bad = Buffer.from('x,\xff\n', 'latin1');
    const items = await records(
      Buffer.concat([Buffer.from('"a"b,c\n'), bad, Buffer.from('ok,1\n"open,2\n')]),
      {
        delimiter: ',',
      },
    );
    expect(items.map((item) => (item.kind === 'record' ? item.fields : item.reason))).toEqual([
      'line 1: expected a delimiter after a closing quote, got "b"',
      'line 2: expected UTF-8 text, got other bytes; save the file as UTF-8',
      ['ok', '1'],
      'line 4: expected a closing quote, got the end of the file',
    ]);
  });

  it('bounds records and fields', async () => {
    const long = await records(`"${'x'.repeat(MAX_RECORD_LENGTH + 5)}\nrest\nok,1\n`, { delimiter: ',' });
    expect(fields(long)).toEqual(['record-too-long', ['rest'], ['ok', '1']]);
    const wide = await records(`${','.repeat(MAX_FIELDS + 2)}\nok,1\n`, { delimiter: ',' });
    expect(fields(wide)).toEqual(['too-many-fields', ['ok', '1']]);
  });
});

const lines = async (content: string | Uint8Array, maxLineBytes?: number): Promise<LineItem[]> => {
  const path = join(root, 'lines');
  await writeFile(path, content);
  const out: LineItem[] = [];
  const options = maxLineBytes === undefined ? {} : { maxLineBytes };
  for await (const item of readLines(path, options)) out.push(item);
  return out;
};

describe('lines', () => {
  it('are numbered, without line ends and byte order mark, the last one with or without its end', async () => {
    const text = (items: readonly LineItem[]): unknown[] =>
      items.map((item) => [item.number, item.kind === 'line' ? item.text : item.code]);
    expect(text(await lines('\uFEFFone\r\n\ntwo'))).toEqual([
      [1, 'one'],
      [2, ''],
      [3, 'two'],
    ]);
    expect(text(await lines('one\n'))).toEqual([[1, 'one']]);
    expect(await lines('')).toEqual([]);
  });

  it('span the pieces in which a file is read', async () => {
    // The stream hands out 64 KiB at a time; this line covers several of them.
    const long = 'äö'.repeat(100_000);
    const items = await lines(`first\n${long}\nlast\n`);
    expect(items.map((item) => (item.kind === 'line' ? item.text.length : -1))).toEqual([5, 200_000, 4]);
  });

  it('report what is too long or not UTF-8 and go on', async () => {
    const items = await lines(
      Buffer.concat([Buffer.from(`${'x'.repeat(40)}\n`), Buffer.from([0xff, 0x0a]), Buffer.from('ok')]),
      20,
    );
    expect(items).toEqual([
      {
        kind: 'bad-line',
        number: 1,
        code: 'line-too-long',
        reason: 'line 1: expected at most 20 bytes, got 40',
      },
      {
        kind: 'bad-line',
        number: 2,
        code: 'invalid-utf8',
        reason: 'line 2: expected UTF-8 text, got other bytes; save the file as UTF-8',
      },
      { kind: 'line', number: 3, text: 'ok' },
    ]);
  });
});
