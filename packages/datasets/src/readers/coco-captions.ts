import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Budgets, excerpt, FormatError, overBudget, parseJson, resolveBudgets } from '@polygate/core';
import { createImageFinder, type ImageNameOptions } from '../images/image-finder.ts';
import { ImageRows } from '../samples/image-rows.ts';
import { isJsonFields } from '../samples/json-captions.ts';
import { requireFile, requireFolder } from '../files/paths.ts';
import { collectCocoLabels } from './coco-labels.ts';
import { fault, type Fault, type Reader, type ReaderItem } from '../samples/sample.ts';
import { z } from 'zod';
import { renameClasses } from '../samples/class-renames.ts';
import { defineReader } from './dataset-reader.ts';
import { classNamesSetting, linksSetting, prefixSetting, textSetting } from './reader-settings.ts';
import { cocoFit } from './coco-fit.ts';

export interface CocoCaptionsOptions extends ImageNameOptions {
  /** JSON with `images: [{id, file_name}]` and `annotations: [{image_id, caption}]`. */
  readonly annotations: string;
  /** Folder of the images. */
  readonly images: string;
  /**
   * `labels`: the label of an image is the category that all of its annotations have (`categories: [{id, name}]`,
   * `annotations: [{image_id, category_id}]`). @default 'captions'
   */
  readonly read?: 'captions' | 'labels';
  /** `jsonBytes` bounds the annotations in memory, `textBytes` a caption. @default those of core */
  readonly budgets?: Partial<Budgets>;
}

const rows = (document: unknown, key: string, path: string): readonly unknown[] => {
  const value = isJsonFields(document) ? document[key] : undefined;
  if (Array.isArray(value)) return value;
  const keys = isJsonFields(document) ? Object.keys(document).slice(0, 16).join(', ') : excerpt(document);
  throw new FormatError(
    `COCO captions ${path}: expected a list "${key}", got keys ${keys || '(none)'}; use the captions file, not the instances file`,
    { code: 'coco-layout', fields: { path, key } },
  );
};

/**
 * An id as text: whole numbers and texts of digits are the same id. Undefined for what is not exact, such as 1.5, or
 * numbers beyond 2^53, of which several read as one.
 */
const idText = (value: unknown): string | undefined => {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined;
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
};

/** @throws FormatError where two images have one id: captions would go to the wrong ones */
const refuseRepeats = (images: readonly unknown[], path: string): void => {
  const seen = new Map<string, unknown>();
  for (const image of images) {
    const id = isJsonFields(image) ? idText(image['id']) : undefined;
    if (id === undefined || !isJsonFields(image)) continue;
    const name = image['file_name'];
    // An entry that is there twice with the same file says nothing new.
    if (seen.has(id) && seen.get(id) !== name) {
      throw new FormatError(
        `COCO captions ${path}: expected ids that are there once, got id ${id} in "images" twice (${excerpt(seen.get(id), 60)} and ${excerpt(name, 60)}); if files were joined, read each as a source of its own with the same dataset name`,
        { code: 'coco-repeated-id', fields: { path, id } },
      );
    }
    seen.set(id, name);
  }
};

interface Captions {
  readonly byImage: ReadonlyMap<string, readonly string[]>;
  readonly faults: readonly Fault[];
}

const collectCaptions = (
  images: readonly unknown[],
  annotations: readonly unknown[],
  textBytes: number,
): Captions => {
  const byImage = new Map<string, string[]>();
  const faults: Fault[] = [];
  for (const image of images) {
    const id = isJsonFields(image) ? idText(image['id']) : undefined;
    if (id !== undefined) byImage.set(id, []);
  }
  // Captions go by image_id; ids of annotations only tell which ones are there twice.
  const seen = new Map<string, readonly unknown[]>();
  for (const [index, annotation] of annotations.entries()) {
    const annotationId = isJsonFields(annotation) ? idText(annotation['id']) : undefined;
    const id = `annotation ${annotationId ?? `#${index}`}`;
    if (!isJsonFields(annotation)) {
      faults.push(fault(id, 'bad-annotation', `expected an object, got ${excerpt(annotation)}`));
      continue;
    }
    const caption = annotation['caption'];
    const list = byImage.get(idText(annotation['image_id']) ?? '');
    const other = annotationId === undefined ? undefined : seen.get(annotationId);
    if (other && other[0] === annotation['image_id'] && other[1] === caption)
      faults.push(fault(id, 'repeated-annotation', 'expected an annotation once, got the same one again'));
    else if (typeof caption !== 'string')
      faults.push(
        fault(
          id,
          'no-caption',
          `expected a text "caption", got ${excerpt(caption)}${'category_id' in annotation ? '; categories are read as labels of images with the kind labelled-image' : ''}`,
        ),
      );
    else if (!list)
      faults.push(
        fault(
          id,
          'unknown-image',
          `expected the id of a listed image, got ${excerpt(annotation['image_id'])}`,
        ),
      );
    else if (caption.length > textBytes)
      faults.push(fault(id, 'text-too-long', overBudget('textBytes', textBytes, caption.length)));
    else if (caption.trim() === '')
      faults.push(fault(id, 'empty-caption', 'expected a caption, got an empty text'));
    else list.push(caption.trim());
    if (annotationId !== undefined) seen.set(annotationId, [annotation['image_id'], caption]);
  }
  return { byImage, faults };
};

/**
 * Reads COCO captions: one sample per image with all of its captions, in the order of the file.
 * @throws ConfigError for missing files; FormatError for a file of another layout, and for ids that repeat, naming one
 */
export const openCocoCaptions = async (options: CocoCaptionsOptions): Promise<Reader> => {
  const { annotations: path } = options;
  // The annotations of COCO 2017 train have 92 MB, and take some 370 MB parsed.
  const { jsonBytes, textBytes } = resolveBudgets(options.budgets);
  await requireFile(path, 'COCO annotations', jsonBytes);
  const document = parseJson(await readFile(path), `COCO captions ${path}`, {
    remedy: 'mend the file, or download it again',
    jsonBytes,
    nonFinite: 'null',
  });
  await requireFolder(options.images, 'COCO images');
  const images = rows(document, 'images', path);
  const annotations = rows(document, 'annotations', path);
  refuseRepeats(images, path);
  const labels =
    options.read === 'labels'
      ? collectCocoLabels(
          { annotations, categories: rows(document, 'categories', path) },
          idText,
          `COCO annotations ${path}`,
        )
      : undefined;
  const { byImage, faults } = labels
    ? { byImage: new Map<string, readonly string[]>(), faults: [] }
    : collectCaptions(images, annotations, textBytes);
  const finder = createImageFinder(options.images, options);
  const grouped = new ImageRows();
  const items = async function* (): AsyncGenerator<{ readonly item: ReaderItem; readonly key?: string }> {
    const seen = new Set<string>();
    for (const [index, image] of images.entries()) {
      const id = isJsonFields(image) ? idText(image['id']) : undefined;
      const name = isJsonFields(image) ? image['file_name'] : undefined;
      const where = `image ${id ?? `#${index}`}`;
      if (!isJsonFields(image) || typeof name !== 'string' || name.trim() === '' || id === undefined) {
        const got = isJsonFields(image)
          ? `id ${excerpt(image['id'])} and file_name ${excerpt(name)}`
          : excerpt(image);
        yield {
          item: fault(
            where,
            'bad-image-entry',
            `expected an "id" that is an exact integer and a text "file_name", got ${got}`,
          ),
        };
        continue;
      }
      if (seen.has(id)) {
        yield { item: fault(where, 'repeated-image', 'expected an image once, got the same one again') };
        continue;
      }
      seen.add(id);
      const file = await finder.find(name.trim());
      const texts = byImage.get(id) ?? [];
      const label = labels?.labelOf(id);
      if (file.kind === 'fault') yield { item: file };
      else if (label && 'code' in label) yield { item: fault(name, label.code, label.reason) };
      else if (!label && texts.length === 0)
        yield { item: fault(name, 'no-caption', 'expected at least one caption, got none') };
      else {
        const image = { kind: 'path', path: file.path } as const;
        const shown = label ? { label: label.label } : { texts };
        yield { item: { kind: 'sample', id: file.key, image, ...shown }, key: file.key };
      }
    }
  };
  for await (const { key } of items()) if (key !== undefined) grouped.expect(key);
  grouped.settle();
  return {
    name: basename(path),
    ...(labels ? { classes: labels.classes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      yield* faults;
      const pass = grouped.begin();
      for await (const { item, key } of items()) {
        const next = item.kind === 'sample' && key !== undefined ? pass.add(key, item) : item;
        if (next) yield next;
      }
      yield* pass.rest();
    },
  };
};

export const cocoCaptionsReader = defineReader({
  name: 'coco-captions',
  summary: 'annotations of COCO: captions of images, or the category of each',
  needs: 'a JSON file with "images" and "annotations", and the folder of the images',
  settings: {
    annotations: textSetting,
    images: textSetting,
    kind: z.enum(['captioned-image', 'labelled-image']).default('captioned-image'),
    classNames: classNamesSetting,
    prefix: prefixSetting,
    links: linksSetting,
  },
  kinds: ['captioned-image', 'labelled-image'],
  paths: { annotations: 'all', images: 'images' },
  async open(settings, { within, budgets }) {
    const { kind, classNames } = settings;
    const read = kind === 'labelled-image' ? 'labels' : 'captions';
    const reader = await openCocoCaptions({ ...settings, within, budgets, read });
    return { kind, reader: read === 'labels' ? renameClasses(reader, classNames) : reader };
  },
  detect: cocoFit,
});
