import { basename } from 'node:path';
import { ConfigError } from '@polygate/core';
import { readLines } from '../lines.ts';
import { requireFile } from '../paths.ts';
import { fault, type Reader, type ReaderItem } from '../sample.ts';

/** Longest document that is kept whole, in UTF-16 units. */
const MAX_DOCUMENT_LENGTH = 32 << 20;

export interface PlainTextOptions {
  /** UTF-8 files, read in this order. */
  readonly files: readonly string[];
  /**
   * What one sample is: a `line`, a `paragraph` (lines up to a blank one, joined by spaces), or a `document` (a file,
   * whose paragraphs are the sample's texts). @default 'line'
   */
  readonly unit?: 'line' | 'paragraph' | 'document';
}

/** Blocks of lines between blank ones; faults of single lines come where they stand. */
async function* paragraphs(file: string, name: string): AsyncGenerator<ReaderItem> {
  let lines: string[] = [];
  let start = 0;
  const block = (): ReaderItem => ({ kind: 'sample', id: `${name}:${start}`, texts: [lines.join(' ')] });
  for await (const line of readLines(file)) {
    if (line.kind === 'bad-line') yield fault(`${name}:${line.number}`, line.code, line.reason);
    else if (line.text.trim() !== '') {
      if (lines.length === 0) start = line.number;
      lines.push(line.text.trim());
    } else if (lines.length > 0) {
      yield block();
      lines = [];
    }
  }
  if (lines.length > 0) yield block();
}

async function* documents(file: string, name: string): AsyncGenerator<ReaderItem> {
  const texts: string[] = [];
  let length = 0;
  for await (const item of paragraphs(file, name)) {
    if (item.kind === 'fault') yield item;
    else {
      texts.push(...(item.texts ?? []));
      length += item.texts?.[0]?.length ?? 0;
    }
    if (length > MAX_DOCUMENT_LENGTH) {
      yield fault(
        name,
        'document-too-long',
        `expected at most ${MAX_DOCUMENT_LENGTH} characters; read it by paragraphs`,
      );
      return;
    }
  }
  if (texts.length > 0) yield { kind: 'sample', id: name, texts };
  else yield fault(name, 'empty-document', 'expected text, got an empty file');
}

async function* lines(file: string, name: string): AsyncGenerator<ReaderItem> {
  for await (const line of readLines(file)) {
    const id = `${name}:${line.number}`;
    if (line.kind === 'bad-line') yield fault(id, line.code, line.reason);
    else if (line.text.trim() !== '') yield { kind: 'sample', id, texts: [line.text.trim()] };
  }
}

/** Reads text files by lines, paragraphs or whole. @throws ConfigError where a file is missing or two share a name */
export const openPlainText = async (options: PlainTextOptions): Promise<Reader> => {
  for (const file of options.files) await requireFile(file, 'text file');
  const names = options.files.map((file) => basename(file));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (options.files.length === 0 || twice !== undefined) {
    throw new ConfigError(
      `text files: expected ${twice === undefined ? 'at least one file, got none' : `files of different names, got "${twice}" twice; rename one, since names become sample ids`}`,
      { code: 'text-files' },
    );
  }
  const unit = options.unit ?? 'line';
  const pick = { line: lines, paragraph: paragraphs, document: documents }[unit];
  return {
    name: names.length === 1 ? (names[0] ?? '') : `${names.length} text files`,
    async *read(): AsyncGenerator<ReaderItem> {
      for (const [index, file] of options.files.entries()) yield* pick(file, names[index] ?? file);
    },
  };
};
