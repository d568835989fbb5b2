import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { type Budgets, ConfigError, excerpt, overBudget, resolveBudgets } from '@polygate/core';
import { readLines } from '../tables/lines.ts';
import { requireFile } from '../files/paths.ts';
import { fault, type Reader, type ReaderItem } from '../samples/sample.ts';
import { z } from 'zod';
import { defineReader } from './dataset-reader.ts';
import { textSetting } from './reader-settings.ts';
import { isImageName } from '../files/paths.ts';

export interface PlainTextOptions {
  /** UTF-8 files, read in this order. */
  readonly files: readonly string[];
  /**
   * What one sample is: a `line`, a `paragraph` (lines up to a blank one, joined by spaces), or a `document` (a file,
   * whose paragraphs are the sample's texts). @default 'line'
   */
  readonly unit?: 'line' | 'paragraph' | 'document';
  /** `textBytes` bounds a paragraph, `documentBytes` a document. @default those of core */
  readonly budgets?: Partial<Budgets>;
}

/**
 * Blocks of lines between blank ones; faults of single lines come where they stand. Of a block over the budget nothing
 * more is kept.
 */
async function* paragraphs(
  file: string,
  name: string,
  { textBytes }: Pick<Budgets, 'textBytes'>,
): AsyncGenerator<ReaderItem> {
  let lines: string[] = [];
  let start = 0;
  let bytes = 0;
  const block = (): ReaderItem => {
    const id = `${name}:${start}`;
    if (bytes <= textBytes) return { kind: 'sample', id, texts: [lines.join(' ')] };
    const problem = overBudget('textBytes', textBytes, bytes);
    return fault(id, 'text-too-long', `${problem}; or read it by lines`);
  };
  for await (const line of readLines(file)) {
    if (line.kind === 'bad-line') yield fault(`${name}:${line.number}`, line.code, line.reason);
    else {
      const text = line.text.trim();
      if (text !== '') {
        if (bytes === 0) start = line.number;
        bytes += Buffer.byteLength(text) + LINE_BYTES;
        if (bytes <= textBytes) lines.push(text);
        else lines = [];
      } else if (bytes > 0) {
        yield block();
        lines = [];
        bytes = 0;
      }
    }
  }
  if (bytes > 0) yield block();
}

/** Memory of a line beside its text: many short ones take more than their bytes. */
const LINE_BYTES = 24;

async function* documents(file: string, name: string, budgets: Budgets): AsyncGenerator<ReaderItem> {
  const { documentBytes, textBytes } = budgets;
  const texts: string[] = [];
  let bytes = 0;
  for await (const item of paragraphs(file, name, { textBytes })) {
    if (item.kind === 'fault') yield item;
    else {
      texts.push(...(item.texts ?? []));
      bytes += Buffer.byteLength(item.texts?.[0] ?? '') + LINE_BYTES;
    }
    if (bytes > documentBytes) {
      const problem = overBudget('documentBytes', documentBytes, `${bytes} or more`);
      yield fault(name, 'document-too-long', `${problem}; or read it by paragraphs`);
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
  for (const file of options.files) {
    if (/[*?]/u.test(basename(file)) && !existsSync(file)) {
      throw new ConfigError(
        `text files: expected names of files, got the pattern ${excerpt(basename(file))}; list the files: "files": ["a.txt", "b.txt"]`,
        { code: 'text-files', fields: { file } },
      );
    }
    await requireFile(file, 'text file');
  }
  const names = options.files.map((file) => basename(file));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (options.files.length === 0 || twice !== undefined) {
    throw new ConfigError(
      `text files: expected ${twice === undefined ? 'at least one file, got none' : `files of different names, got "${twice}" twice; rename one, since names become sample ids`}`,
      { code: 'text-files' },
    );
  }
  const unit = options.unit ?? 'line';
  const budgets = resolveBudgets(options.budgets);
  const pick = { line: lines, paragraph: paragraphs, document: documents }[unit];
  return {
    name: names.length === 1 ? (names[0] ?? '') : `${names.length} text files`,
    async *read(): AsyncGenerator<ReaderItem> {
      for (const [index, file] of options.files.entries()) yield* pick(file, names[index] ?? file, budgets);
    },
  };
};

export const plainTextReader = defineReader({
  name: 'plain-text',
  summary: 'text files, by lines, paragraphs or documents',
  needs: 'files of UTF-8 text',
  settings: {
    files: z.array(textSetting).min(1),
    unit: z.enum(['line', 'paragraph', 'document']).default('paragraph'),
  },
  kinds: ['text'],
  paths: { files: 'all' },
  open: async (settings, { budgets }) => ({
    reader: await openPlainText({ ...settings, budgets }),
    kind: 'text',
  }),
  async detect(survey) {
    const files = survey.files.filter(({ extension }) => extension === '.txt' || extension === '.md');
    const others = survey.files.filter(({ name }) => isImageName(name)).length;
    if (files.length === 0 || others > 0) return undefined;
    const readable = (await Promise.all(files.slice(0, 4).map(({ id }) => survey.lines(id)))).every(Boolean);
    if (!readable) return { fit: 'nearly', reason: `${files[0]?.id ?? ''} is not UTF-8 text` };
    const reason = `${files.length === 1 ? (files[0]?.id ?? '') : `${files.length} files`} of text`;
    return { fit: 'likely', reason, sources: [{ files: files.map(({ id }) => survey.at(id)) }] };
  },
});
