import { readFile, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { ConfigError, FormatError, parseJson } from '@polygate/core';
import { walkFolder, type FoundFile, type LinkOptions } from '../files/folder-listing.ts';
import { captionsOfJson, type CaptionProblem } from '../samples/json-captions.ts';
import { isImageName, notAnImage, requireFolder } from '../files/paths.ts';
import { fault, type Fault, type Reader, type ReaderItem } from '../samples/sample.ts';
import { orderSplits, splitInName } from '../splits/split-names.ts';
import { z } from 'zod';
import type { PathSurvey, SurveyedFile } from '../survey/path-survey.ts';
import { defineReader } from './dataset-reader.ts';
import { linksSetting, textSetting } from './reader-settings.ts';

/** Largest text beside an image, in bytes. */
const MAX_SIDECAR_BYTES = 1 << 20;

export interface SidecarCaptionsOptions extends LinkOptions {
  /** Folder of images, each with `.txt`, `.caption` or `.json` beside it, as img2dataset writes them; may be nested. */
  readonly path: string;
  /** Whether each line of a text is a caption of its own, or the file is one. @default 'file' */
  readonly captions?: 'file' | 'lines';
}

const stem = (id: string): string => id.slice(0, id.length - extname(id).length);
const extension = (id: string): string => extname(id).slice(1).toLowerCase();
const textKinds: readonly string[] = ['txt', 'caption', 'json'];

type Captions = readonly string[] | CaptionProblem;

const readSidecar = async (file: FoundFile, captions: 'file' | 'lines'): Promise<Captions> => {
  const stats = await stat(file.path);
  if (stats.size > MAX_SIDECAR_BYTES) {
    return {
      code: 'text-too-long',
      reason: `expected a text of at most ${MAX_SIDECAR_BYTES} bytes, got ${stats.size}`,
    };
  }
  const bytes = await readFile(file.path);
  if (extension(file.id) === 'json') {
    try {
      return captionsOfJson(parseJson(bytes, basename(file.path), { nonFinite: 'null' }));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { code: 'bad-json', reason: error.message };
    }
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return {
      code: 'invalid-utf8',
      reason: `expected UTF-8 text in ${basename(file.path)}, got other bytes; save it as UTF-8`,
    };
  }
  const parts = (captions === 'lines' ? text.split(/\r?\n|\r/u) : [text]).map((part) => part.trim());
  const filled = parts.filter((part) => part !== '');
  return filled.length > 0
    ? filled
    : { code: 'empty-caption', reason: 'expected a caption, got an empty text' };
};

interface Group {
  readonly images: FoundFile[];
  readonly texts: Map<string, FoundFile>;
  readonly faults: Fault[];
}

/** What img2dataset writes beside its folders: parts of its list, counts. */
const isPartFile = (name: string): boolean => /^\d+(?:_stats\.json|\.parquet)$/u.test(name);

const splitOf = (id: string): string | undefined => {
  const cut = id.indexOf('/');
  return cut < 0 ? undefined : splitInName(id.slice(0, cut));
};

/** Files of one folder, by name without suffix. */
const group = (files: readonly FoundFile[]): Group[] => {
  const groups = new Map<string, Group>();
  const loose: Fault[] = [];
  for (const file of files) {
    if (isPartFile(file.name)) continue;
    const key = stem(file.id);
    const entry = groups.get(key) ?? { images: [], texts: new Map<string, FoundFile>(), faults: [] };
    if (file.kind === 'broken')
      loose.push(
        fault(file.id, 'broken-link', 'expected a file, got a link that leads nowhere or in a circle'),
      );
    else if (file.kind === 'file' && isImageName(file.name)) entry.images.push(file);
    else if (file.kind === 'file' && textKinds.includes(extension(file.id)))
      entry.texts.set(extension(file.id), file);
    else {
      const { code, reason } = notAnImage(file.name);
      loose.push(fault(file.id, code, reason));
    }
    if (entry.images.length + entry.texts.size > 0) groups.set(key, entry);
  }
  return [...groups.values(), { images: [], texts: new Map(), faults: loose }];
};

async function* itemsOf(
  files: readonly FoundFile[],
  options: SidecarCaptionsOptions,
): AsyncGenerator<ReaderItem> {
  for (const { images, texts, faults } of group(files)) {
    yield* faults;
    const text = texts.get('txt') ?? texts.get('caption') ?? texts.get('json');
    if (images.length === 0) {
      if (text) yield fault(text.id, 'no-image', 'expected an image beside the text, got none');
      continue;
    }
    const captions: Captions = text
      ? await readSidecar(text, options.captions ?? 'file')
      : {
          code: 'no-caption',
          reason: 'expected a text beside the image (.txt, .caption or .json), got none',
        };
    for (const { id, path } of images) {
      if ('code' in captions) yield fault(id, captions.code, captions.reason);
      else {
        const split = splitOf(id);
        const image = { kind: 'path', path } as const;
        yield { kind: 'sample', id, image, texts: captions, ...(split === undefined ? {} : { split }) };
      }
    }
  }
}

/**
 * Reads images whose captions lie beside them under the same name. Ids are paths below the folder. Where all
 * images lie in folders named after splits, these are followed.
 * @throws ConfigError where the folder is missing or holds no image with a text
 */
export const openSidecarCaptions = async (options: SidecarCaptionsOptions): Promise<Reader> => {
  await requireFolder(options.path, 'sidecar captions');
  const splits = new Set<string | undefined>();
  let images = 0;
  let texts = 0;
  for await (const { id, kind, name } of walkFolder(options.path, options)) {
    if (isPartFile(name)) continue;
    if (kind === 'file' && isImageName(name)) {
      images += 1;
      splits.add(splitOf(id));
    } else if (kind === 'file' && textKinds.includes(extension(id))) texts += 1;
  }
  if (images === 0 || texts === 0) {
    throw new ConfigError(
      `sidecar captions ${options.path}: expected images with texts beside them (.txt, .caption or .json), got ${images} images and ${texts} texts; give another folder, or read a table of captions with captions-csv`,
      { code: 'no-sidecars', fields: { path: options.path } },
    );
  }
  const named = [...splits].filter((split) => split !== undefined);
  const followed = !splits.has(undefined);
  return {
    name: basename(options.path),
    ...(followed ? { splits: orderSplits(named) } : {}),
    ...(!followed && named.length > 0
      ? {
          notes: [
            `the folders of the splits ${named.join(', ')} are not followed, since other images lie outside of them`,
          ],
        }
      : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      const strip = (item: ReaderItem): ReaderItem => {
        if (followed || item.kind === 'fault') return item;
        const { split: _split, ...rest } = item;
        return rest;
      };
      let folder = '';
      let files: FoundFile[] = [];
      for await (const file of walkFolder(options.path, options)) {
        const parent = file.id.slice(0, file.id.lastIndexOf('/') + 1);
        if (parent !== folder) {
          for await (const item of itemsOf(files, options)) yield strip(item);
          files = [];
        }
        folder = parent;
        files.push(file);
      }
      for await (const item of itemsOf(files, options)) yield strip(item);
    },
  };
};

/** Texts that are looked at. */
const MAX_LOOKED = 8;

/** Whether texts beside images are lines of numbers, as annotations of boxes are. */
const holdBoxes = async (survey: PathSurvey, images: readonly SurveyedFile[]): Promise<boolean> => {
  let boxes = 0;
  for (const { id, extension } of images.slice(0, MAX_LOOKED)) {
    const stem = id.slice(0, -extension.length);
    const text = survey.files.find((file) => file.id === `${stem}.txt` || file.id === `${stem}.caption`);
    const lines = text && (await survey.lines(text.id));
    // An image without objects has an empty file.
    if (!lines) continue;
    if (!lines.every((line) => /^\s*\d+(?:\s+[-+.\deE]+){4,}\s*$/u.test(line))) return false;
    boxes += 1;
  }
  return boxes > 0;
};

export const sidecarCaptionsReader = defineReader({
  name: 'sidecar-captions',
  summary: 'images with a text beside each, of the same name (img2dataset)',
  needs: 'images with a .txt or .caption of the same name beside them',
  settings: {
    path: textSetting,
    /** Whether each line of a text is a caption of its own. */
    captions: z.enum(['file', 'lines']).default('file'),
    links: linksSetting,
  },
  kinds: ['captioned-image'],
  paths: { path: 'all' },
  open: async (settings, { within }) => ({
    reader: await openSidecarCaptions({ ...settings, within }),
    kind: 'captioned-image',
  }),
  async detect(survey) {
    const texts = new Set(
      survey.files
        .filter(({ extension }) => extension === '.txt' || extension === '.caption')
        .map(({ id, extension }) => id.slice(0, -extension.length)),
    );
    const images = survey.files.filter(({ name }) => isImageName(name));
    const paired = images.filter(({ id, extension }) => texts.has(id.slice(0, -extension.length)));
    if (survey.kind === 'file' || paired.length === 0) return undefined;
    const reason = `a text of the same name beside ${paired.length} of ${images.length} images`;
    if (await holdBoxes(survey, paired))
      return {
        fit: 'nearly',
        reason: `${reason}, but they hold numbers alone, as the boxes of YOLO are: boxes are not read`,
      };
    return paired.length * 2 < images.length
      ? { fit: 'nearly', reason: `${reason}: those without are left out` }
      : { fit: 'sure', reason, sources: [{ path: survey.path }] };
  },
});
