import { basename, dirname } from 'node:path';
import { requireFile, resolveInside } from '../paths.ts';
import { readLines } from '../lines.ts';
import { fault, type Reader, type ReaderItem } from '../sample.ts';

export interface JsonlManifestOptions {
  /** One JSON object a line: `image` (path), `text` or `texts`, `label` (integer or class name), `id`. */
  readonly file: string;
  /** Folder that image paths are relative to. @default the folder of the file */
  readonly root?: string;
  /** Class names, for `label` values that are names and to check those that are numbers. */
  readonly classes?: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Texts of a row under any of the usual keys, or the reason why they can't be used. */
const textsOf = (row: Fields): readonly string[] | string => {
  const value = row['texts'] ?? row['captions'] ?? row['text'] ?? row['caption'];
  if (value === undefined) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (!list.every((text): text is string => typeof text === 'string'))
    return 'expected a text or a list of texts';
  const trimmed = list.map((text) => text.trim());
  return trimmed.length === 0 || trimmed.includes('') ? 'expected a caption, got an empty text' : trimmed;
};

const labelOf = (value: unknown, classes: readonly string[] | undefined): number | undefined => {
  const index = typeof value === 'string' ? (classes?.indexOf(value) ?? -1) : value;
  if (typeof index !== 'number' || !Number.isInteger(index) || index < 0) return undefined;
  return classes && index >= classes.length ? undefined : index;
};

const toItem = (text: string, id: string, options: JsonlManifestOptions): ReaderItem => {
  let row: unknown;
  try {
    row = JSON.parse(text);
  } catch {
    return fault(id, 'bad-json', 'expected a JSON object, got text that does not parse');
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    return fault(id, 'bad-json', 'expected a JSON object, got another value');
  }
  const fields = row as Fields;
  const name = fields['image'] ?? fields['path'] ?? fields['file_name'];
  if (name !== undefined && typeof name !== 'string')
    return fault(id, 'no-image-name', 'expected a text "image"');
  const texts = textsOf(fields);
  if (typeof texts === 'string')
    return fault(id, texts.includes('empty') ? 'empty-caption' : 'bad-text', texts);
  const label = fields['label'] === undefined ? undefined : labelOf(fields['label'], options.classes);
  if (fields['label'] !== undefined && label === undefined) {
    return fault(
      id,
      'unknown-label',
      `expected a class name or index, got ${JSON.stringify(fields['label'])}`,
    );
  }
  if (name === undefined && texts.length === 0)
    return fault(id, 'empty-row', 'expected "image" or "text", got neither');
  const path = name === undefined ? undefined : resolveInside(options.root ?? dirname(options.file), name);
  if (name !== undefined && path === undefined)
    return fault(name, 'path-outside', 'expected a path inside the root folder');
  return {
    kind: 'sample',
    id: typeof fields['id'] === 'string' ? fields['id'] : name === undefined ? id : `${name} (${id})`,
    ...(path === undefined ? {} : { image: { kind: 'path', path } }),
    ...(texts.length > 0 ? { texts } : {}),
    ...(label === undefined ? {} : { label }),
  };
};

/** Reads a manifest of one JSON object a line. @throws ConfigError where the file is missing */
export const openJsonlManifest = async (options: JsonlManifestOptions): Promise<Reader> => {
  await requireFile(options.file, 'manifest file');
  return {
    name: basename(options.file),
    ...(options.classes ? { classes: options.classes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      for await (const line of readLines(options.file)) {
        const id = `line ${line.number}`;
        if (line.kind === 'bad-line') yield fault(id, line.code, line.reason);
        else if (line.text.trim() !== '') yield toItem(line.text, id, options);
      }
    },
  };
};
