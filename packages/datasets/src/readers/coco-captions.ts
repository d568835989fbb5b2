import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { FormatError } from '@polygate/core';
import { requireFile, requireFolder, resolveInside } from '../paths.ts';
import { fault, type Reader, type ReaderItem } from '../sample.ts';

/** Largest annotation file, in bytes; that of COCO 2017 train has 92 MB. */
const MAX_ANNOTATION_BYTES = 400 << 20;

export interface CocoCaptionsOptions {
  /** JSON with `images: [{id, file_name}]` and `annotations: [{image_id, caption}]`. */
  readonly annotations: string;
  /** Folder of the pictures. */
  readonly images: string;
}

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

const rows = (document: unknown, key: string, path: string): readonly unknown[] => {
  const value = isFields(document) ? document[key] : undefined;
  if (Array.isArray(value)) return value;
  const keys = isFields(document) ? Object.keys(document).join(', ') : typeof document;
  throw new FormatError(
    `COCO captions ${path}: expected a list "${key}", got keys ${keys || '(none)'}; use the captions file, not the instances file`,
    { code: 'coco-layout', fields: { path, key } },
  );
};

const parse = async (path: string): Promise<unknown> => {
  await requireFile(path, 'COCO annotations', MAX_ANNOTATION_BYTES);
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new FormatError(
      `COCO captions ${path}: expected JSON, got text that does not parse; download it again`,
      {
        code: 'coco-json',
        fields: { path },
        cause,
      },
    );
  }
};

/**
 * Reads COCO captions: one sample per picture with all of its captions, in the order of the file.
 * @throws ConfigError for missing files, FormatError for a file of another layout
 */
export const openCocoCaptions = async (options: CocoCaptionsOptions): Promise<Reader> => {
  const document = await parse(options.annotations);
  await requireFolder(options.images, 'COCO images');
  const images = rows(document, 'images', options.annotations);
  const annotations = rows(document, 'annotations', options.annotations);
  const faults: ReaderItem[] = [];
  const captions = new Map<number, string[]>();
  for (const image of images) {
    if (isFields(image) && Number.isInteger(image['id'])) captions.set(image['id'] as number, []);
  }
  for (const [index, annotation] of annotations.entries()) {
    const id = `annotation ${isFields(annotation) && annotation['id'] !== undefined ? String(annotation['id']) : `#${index}`}`;
    if (!isFields(annotation) || typeof annotation['caption'] !== 'string') {
      faults.push(fault(id, 'no-caption', 'expected a text "caption", got none'));
      continue;
    }
    const list = captions.get(annotation['image_id'] as number);
    if (!list)
      faults.push(
        fault(
          id,
          'unknown-image',
          `expected the id of a listed image, got ${String(annotation['image_id'])}`,
        ),
      );
    else if (annotation['caption'].trim() === '')
      faults.push(fault(id, 'empty-caption', 'expected a caption, got an empty text'));
    else list.push(annotation['caption'].trim());
  }
  return {
    name: basename(options.annotations),
    async *read(): AsyncGenerator<ReaderItem> {
      yield* faults;
      for (const [index, image] of images.entries()) {
        const name = isFields(image) ? image['file_name'] : undefined;
        if (!isFields(image) || typeof name !== 'string' || !Number.isInteger(image['id'])) {
          yield fault(
            `image #${index}`,
            'bad-image-entry',
            'expected an integer "id" and a text "file_name"',
          );
          continue;
        }
        const path = resolveInside(options.images, name);
        const texts = captions.get(image['id'] as number) ?? [];
        if (path === undefined) yield fault(name, 'path-outside', 'expected a path inside the image folder');
        else if (texts.length === 0)
          yield fault(name, 'no-caption', 'expected at least one caption, got none');
        else yield { kind: 'sample', id: name, image: { kind: 'path', path }, texts };
      }
    },
  };
};
