import { createReadStream } from 'node:fs';
import { basename, extname } from 'node:path';
import { createGunzip } from 'node:zlib';
import { ConfigError, FormatError } from '@polygate/core';
import { imageExtensions, requireFile } from '../paths.ts';
import { fault, type Reader, type ReaderItem } from '../sample.ts';
import { MAX_TAR_ENTRY_BYTES, readTar, type TarEntry } from '../tar.ts';

export interface WebDatasetOptions {
  /** Archives, read in this order; those that end in `.gz` are decompressed on the way. */
  readonly files: readonly string[];
  /** Class names; without them labels of `.cls` members are left out. */
  readonly classes?: readonly string[];
  /** @default MAX_TAR_ENTRY_BYTES */
  readonly maxEntryBytes?: number;
}

/** `images/0001.left.jpg` has key `images/0001` and part `left.jpg`: the first dot of the last name counts. */
const splitName = (path: string): { key: string; part: string } => {
  const slash = path.lastIndexOf('/') + 1;
  const dot = path.indexOf('.', slash);
  return dot < 0
    ? { key: path, part: '' }
    : { key: path.slice(0, dot), part: path.slice(dot + 1).toLowerCase() };
};

async function* chunks(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path);
  const stream = path.endsWith('.gz') ? file.pipe(createGunzip()) : file;
  // `pipe` does not hand errors on: without this one of the file would end the process.
  file.on('error', (error) => stream.destroy(error));
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (cause) {
    throw new FormatError(
      `tar ${basename(path)}: expected to read the archive, got ${cause instanceof Error ? cause.message : String(cause)}; fetch it again`,
      { code: 'tar-unreadable', fields: { path }, cause },
    );
  } finally {
    file.destroy();
  }
}

/** Most members of one sample. */
const MAX_MEMBERS = 32;

type Texts = readonly string[] | { readonly problem: string };

const textsOf = (members: ReadonlyMap<string, Uint8Array>): Texts => {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const plain = members.get('txt') ?? members.get('text') ?? members.get('caption');
  const json = members.get('json');
  try {
    if (plain) return [decoder.decode(plain).trim()];
    if (!json) return [];
    const row = JSON.parse(decoder.decode(json)) as Readonly<Record<string, unknown>> | null;
    const value = row?.['captions'] ?? row?.['texts'] ?? row?.['caption'] ?? row?.['text'];
    const list: unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
    return list.filter((text): text is string => typeof text === 'string').map((text) => text.trim());
  } catch {
    return { problem: 'expected UTF-8 text or JSON, got other bytes' };
  }
};

const assemble = (
  id: string,
  entries: readonly TarEntry[],
  classes: readonly string[] | undefined,
): ReaderItem => {
  if (entries.length > MAX_MEMBERS) {
    return fault(id, 'too-many-members', `expected at most ${MAX_MEMBERS} members of one key, got more`);
  }
  const large = entries.find((entry) => entry.body === undefined);
  if (large)
    return fault(
      id,
      'entry-too-large',
      `expected a smaller member, got ${large.size} bytes in ${large.path}`,
    );
  const members = new Map(
    entries.map((entry) => [splitName(entry.path).part, entry.body ?? new Uint8Array(0)]),
  );
  const part = [...members.keys()].find((name) => imageExtensions.includes(extname(`x.${name}`)));
  const texts = textsOf(members);
  if ('problem' in texts) return fault(id, 'bad-text', texts.problem);
  if (texts.includes('')) return fault(id, 'empty-caption', 'expected a caption, got an empty text');
  const cls = members.get('cls');
  const value = cls && Buffer.from(cls).toString('utf8').trim();
  const label =
    value === undefined ? undefined : /^\d+$/u.test(value) ? Number(value) : classes?.indexOf(value);
  if (classes && label !== undefined && !(label >= 0 && label < classes.length)) {
    return fault(id, 'unknown-label', `expected a class below ${classes.length}, got "${value ?? ''}"`);
  }
  const bytes = part === undefined ? undefined : members.get(part);
  if (!bytes && texts.length === 0)
    return fault(id, 'empty-row', 'expected a picture or a text, got neither');
  return {
    kind: 'sample',
    id,
    ...(bytes ? { image: { kind: 'bytes', bytes } } : {}),
    ...(texts.length > 0 ? { texts } : {}),
    ...(classes && label !== undefined ? { label } : {}),
  };
};

/**
 * Reads WebDataset archives: neighbouring members of one key form a sample (`.jpg`, `.png` and the like, `.txt` or
 * `.json` for captions, `.cls` for the class). Ids are `ARCHIVE/KEY`.
 * @throws ConfigError for missing files; while reading, FormatError for a broken or truncated archive
 */
export const openWebDataset = async (options: WebDatasetOptions): Promise<Reader> => {
  for (const file of options.files) await requireFile(file, 'WebDataset archive');
  if (options.files.length === 0)
    throw new ConfigError('WebDataset: expected at least one archive, got none');
  const maxEntryBytes = options.maxEntryBytes ?? MAX_TAR_ENTRY_BYTES;
  return {
    name: basename(options.files[0] ?? ''),
    ...(options.classes ? { classes: options.classes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      for (const file of options.files) {
        const name = basename(file);
        let group: TarEntry[] = [];
        let key: string | undefined;
        const finish = (): ReaderItem => assemble(`${name}/${key ?? ''}`, group, options.classes);
        for await (const entry of readTar(chunks(file), { name, maxEntryBytes })) {
          const next = splitName(entry.path).key;
          if (key !== undefined && next !== key) {
            yield finish();
            group = [];
          }
          key = next;
          // One member too many marks the sample; the rest of such a run is not kept.
          if (group.length <= MAX_MEMBERS) group.push(entry);
        }
        if (key !== undefined) yield finish();
      }
    },
  };
};
