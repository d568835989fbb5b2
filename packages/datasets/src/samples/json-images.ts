/** Names of images in JSON that other programs wrote: which fields hold them, and in which forms. */
import { isImageName } from '../files/paths.ts';
import { imageColumns } from '../tables/column-names.ts';
import { firstField, isJsonFields, type JsonFields } from './json-captions.ts';

/** Fields of an image's name. In lines an id is one of the row, not the name of a file. */
export const imageFields: readonly string[] = imageColumns.filter(
  (name) => name !== 'id' && name !== 'image_id',
);

/** Fields of the name in an object that stands for an image: Python's `datasets` writes `{ path, bytes }`. */
const innerFields: readonly string[] = ['path', ...imageFields];

/** Objects in objects that are looked into for names. */
const MAX_DEPTH = 4;

/** The image under the first of `keys` that holds something: its name, as it stands or in an object, or what else is there. */
export const imageInFields = (fields: JsonFields, keys: readonly string[]): unknown => {
  const value = firstField(fields, keys);
  return isJsonFields(value) ? (firstField(value, innerFields) ?? value) : value;
};

/** The field, none of the usual ones, whose values all name images; undefined where there is none, or several. */
export const fieldOfImages = (rows: readonly JsonFields[]): string | undefined => {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  const fields = [...names].filter((name) =>
    rows.every((row) => {
      const value = imageInFields(row, [name]);
      return typeof value === 'string' && isImageName(value);
    }),
  );
  return fields.length === 1 ? fields[0] : undefined;
};

/** Texts that read as names of images, wherever they stand in a value. */
export const imageNamesWithin = (value: unknown, depth = 0): readonly string[] => {
  if (typeof value === 'string') return isImageName(value) ? [value] : [];
  if (typeof value !== 'object' || value === null || depth >= MAX_DEPTH) return [];
  return Object.values(value).flatMap((inner) => imageNamesWithin(inner, depth + 1));
};
