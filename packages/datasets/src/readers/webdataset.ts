import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { createGunzip } from 'node:zlib';
import { ConfigError, excerpt, FormatError, parseJson } from '@polygate/core';
import { ClassFinder, createLabelIndex, labelName } from '../class-names.ts';
import { captionsOfJson, firstField, isJsonFields, type CaptionProblem } from '../json-captions.ts';
import { isJunk } from '../junk.ts';
import { imageExtensions, requireFile } from '../paths.ts';
import { fault, type Reader, type ReaderItem } from '../sample.ts';
import { MAX_TAR_ENTRY_BYTES, readTar, type TarEntry } from '../tar.ts';

export interface WebDatasetOptions {
  /** Archives, read in this order; those that end in `.gz` are decompressed on the way. */
  readonly files: readonly string[];
  /** Member that is the picture, such as `depth.png`. @default the one that is just `jpg`, `png` or the like */
  readonly image?: string;
  /** Member that holds the captions, such as `caption.txt`. @default `txt`, `text`, `caption` or `json` */
  readonly text?: string;
  /** Class names in label order; labels are then names or indices. */
  readonly classes?: readonly string[];
  /** Whether classes are those labels that occur, where none are given. @default false */
  readonly findClasses?: boolean;
  /** @default MAX_TAR_ENTRY_BYTES */
  readonly maxEntryBytes?: number;
}

/**
 * WebDataset's own rule: `images/0001.left.jpg` has key `images/0001` and part `left.jpg`, since the first dot of the
 * last name counts. Without a dot a file belongs to no sample.
 */
const splitName = (path: string): { key: string; part: string } | undefined => {
  const plain = path.replace(/^(?:\.\/)+/u, '');
  const slash = plain.lastIndexOf('/') + 1;
  const dot = plain.indexOf('.', slash);
  return dot < 0 ? undefined : { key: plain.slice(0, dot), part: plain.slice(dot + 1).toLowerCase() };
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

/** What the members of one sample may be. */
interface Rules extends Pick<WebDatasetOptions, 'image' | 'text'> {
  readonly classes?: readonly string[];
  readonly labelOf?: (value: unknown) => number | undefined;
}

type Members = ReadonlyMap<string, Uint8Array>;
type Texts = readonly string[] | CaptionProblem;

const plainParts = ['txt', 'text', 'caption'] as const;
const pictureParts: ReadonlySet<string> = new Set(imageExtensions.map((extension) => extension.slice(1)));

const pictureOf = (members: Members, asked: string | undefined): string | undefined =>
  asked === undefined
    ? [...members.keys()].find((part) => pictureParts.has(part))
    : members.has(asked.toLowerCase())
      ? asked.toLowerCase()
      : undefined;

const utf8 = new TextDecoder('utf-8', { fatal: true });

const jsonOf = (members: Members): unknown => {
  const bytes = members.get('json');
  return bytes && parseJson(bytes, 'the member .json');
};

const textsOf = (members: Members, asked: string | undefined): Texts => {
  const part = asked?.toLowerCase() ?? [...plainParts, 'json'].find((name) => members.has(name));
  const bytes = part === undefined ? undefined : members.get(part);
  if (part === undefined || !bytes) return [];
  try {
    if (/(?:^|\.)json$/u.test(part)) {
      const texts = captionsOfJson(parseJson(bytes, `the member .${part}`));
      // Beside a picture with its class a .json is often mere metadata.
      return 'code' in texts && texts.code === 'no-caption' ? [] : texts;
    }
    const text = utf8.decode(bytes).trim();
    return text === '' ? { code: 'empty-caption', reason: 'expected a caption, got an empty text' } : [text];
  } catch (error) {
    const reason =
      error instanceof FormatError ? error.message : `expected UTF-8 text in .${part}, got other bytes`;
    return { code: 'bad-text', reason };
  }
};

/** The label of a sample: its `.cls`, else the label of its `.json`. */
const labelOf = (members: Members): unknown => {
  const cls = members.get('cls');
  if (cls) return Buffer.from(cls).toString('utf8').trim();
  try {
    const row = jsonOf(members);
    return isJsonFields(row) ? firstField(row, ['label', 'class', 'category', 'cls']) : undefined;
  } catch {
    return undefined;
  }
};

const membersOf = (entries: readonly TarEntry[]): Map<string, Uint8Array> =>
  new Map(entries.map((entry) => [splitName(entry.path)?.part ?? '', entry.body ?? new Uint8Array(0)]));

const assemble = (id: string, entries: readonly TarEntry[], rules: Rules): ReaderItem => {
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
  const members = membersOf(entries);
  if (members.size < entries.length) {
    const parts = entries.map((entry) => splitName(entry.path)?.part ?? '');
    const twice = parts.find((part, index) => parts.indexOf(part) !== index) ?? '';
    return fault(
      id,
      'repeated-member',
      `expected members of different kinds, got ".${twice}" twice under one key`,
    );
  }
  const part = pictureOf(members, rules.image);
  const texts = textsOf(members, rules.text);
  if ('code' in texts) return fault(id, texts.code, texts.reason);
  const value = labelOf(members);
  const label = rules.labelOf?.(value);
  if (rules.classes && value !== undefined && label === undefined) {
    return fault(
      id,
      'unknown-label',
      `expected a class name or an index below ${rules.classes.length}, got ${excerpt(value)}`,
    );
  }
  const bytes = part === undefined ? undefined : members.get(part);
  const like = [...members.keys()].find((name) => pictureParts.has(name.slice(name.lastIndexOf('.') + 1)));
  if (!bytes && (like !== undefined || rules.image !== undefined)) {
    const wanted = rules.image === undefined ? 'a picture (jpg, png ...)' : `a member "${rules.image}"`;
    const remedy = like === undefined ? '' : `; set image to "${like}" if that is the picture`;
    const got = [...members.keys()].slice(0, 8).join(', ');
    return fault(id, 'no-image', `expected ${wanted}, got ${got}${remedy}`);
  }
  if (!bytes && texts.length === 0)
    return fault(id, 'empty-row', 'expected a picture or a text, got neither');
  return {
    kind: 'sample',
    id,
    ...(bytes ? { image: { kind: 'bytes', bytes } } : {}),
    ...(texts.length > 0 ? { texts } : {}),
    ...(label === undefined ? {} : { label }),
  };
};

/** Names of archives in ids: the last parts of their paths, as many as tell them apart. @throws ConfigError */
const archiveNames = (files: readonly string[]): readonly string[] => {
  const parts = files.map((file) => file.split(/[\\/]/u).filter((part) => part !== '' && part !== '.'));
  const longest = Math.max(...parts.map((list) => list.length));
  for (let count = 1; count <= longest; count += 1) {
    const names = parts.map((list) => list.slice(-count).join('/'));
    if (new Set(names).size === names.length) return names;
  }
  const twice = files.find((file, index) => files.indexOf(file) !== index) ?? files[0] ?? '';
  throw new ConfigError(`WebDataset: expected each archive once, got ${twice} twice; leave one out`, {
    code: 'archive-twice',
  });
};

interface Group {
  readonly id: string;
  readonly entries: readonly TarEntry[];
  /** Whether the key was there before in this archive, with other members between. */
  readonly again: boolean;
}

async function* groupsOf(
  file: string,
  options: { readonly name: string; readonly maxEntryBytes: number },
): AsyncGenerator<Group | ReaderItem> {
  const { name } = options;
  const seen = new Set<string>();
  let entries: TarEntry[] = [];
  let key: string | undefined;
  const finish = (): Group => {
    const own = key ?? '';
    const again = seen.has(own);
    seen.add(own);
    return { id: `${name}/${own}`, entries, again };
  };
  const tar = { ...options, name: basename(file) };
  for await (const entry of readTar(chunks(file), tar)) {
    if (isJunk(entry.path)) continue;
    const next = splitName(entry.path);
    if (next === undefined) {
      yield fault(
        `${name}/${entry.path}`,
        'no-suffix',
        'expected a member named KEY.KIND, got a name without a dot',
      );
      continue;
    }
    if (key !== undefined && next.key !== key) {
      yield finish();
      entries = [];
    }
    key = next.key;
    // One member too many marks the sample; the rest of such a run is not kept.
    if (entries.length <= MAX_MEMBERS) entries.push(entry);
  }
  if (key !== undefined) yield finish();
}

/**
 * Reads WebDataset archives: neighbouring members of one key form a sample (`jpg`, `png` and the like for the picture,
 * `txt` or `json` for captions, `cls` for the class). Ids are `ARCHIVE/KEY`.
 * @throws ConfigError for missing files; while reading, FormatError for a broken or truncated archive
 */
export const openWebDataset = async (options: WebDatasetOptions): Promise<Reader> => {
  for (const file of options.files) await requireFile(file, 'WebDataset archive');
  if (options.files.length === 0)
    throw new ConfigError('WebDataset: expected at least one archive, got none');
  const names = archiveNames(options.files);
  const maxEntryBytes = options.maxEntryBytes ?? MAX_TAR_ENTRY_BYTES;
  const archives = options.files.map((file, index) => ({ file, name: names[index] ?? file }));
  let classes = options.classes;
  if (!classes && options.findClasses) {
    const found = new ClassFinder(`WebDataset ${names[0] ?? ''}`);
    for (const { file, name } of archives) {
      for await (const group of groupsOf(file, { name, maxEntryBytes })) {
        const label = 'entries' in group ? labelName(labelOf(membersOf(group.entries))) : undefined;
        if (label !== undefined) found.add(label);
      }
    }
    classes = found.classes();
  }
  const rules: Rules = {
    ...options,
    ...(classes
      ? { classes, labelOf: createLabelIndex(classes, { given: options.classes !== undefined }) }
      : {}),
  };
  return {
    name: basename(options.files[0] ?? ''),
    ...(classes ? { classes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      for (const { file, name } of archives) {
        for await (const group of groupsOf(file, { name, maxEntryBytes })) {
          if (!('entries' in group)) yield group;
          else if (group.again) {
            yield fault(
              group.id,
              'repeated-key',
              'expected the members of a key side by side, got more of it later in the archive; sort the archive by name (tar --sort=name)',
            );
          } else yield assemble(group.id, group.entries, rules);
        }
      }
    },
  };
};
