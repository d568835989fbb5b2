/** What the readers of tables of values share: settings, and how an opened table becomes a source. */
import { z } from 'zod';
import { renameClasses } from '../samples/class-renames.ts';
import { valueKinds } from '../values/value-roles.ts';
import type { ValueReader } from '../values/value-reader.ts';
import type { OpenedReader } from './dataset-reader.ts';
import {
  classSettings,
  linksSetting,
  namesSetting,
  prefixSetting,
  splitFieldSetting,
  textSetting,
} from './reader-settings.ts';

/** Settings beside those that say where the files are. */
export const valueTableSettings = {
  /** @default what the columns are: images with labels or with captions, texts with labels, or texts */
  kind: z.enum(valueKinds).optional(),
  imageColumn: textSetting.optional(),
  captionColumn: textSetting.optional(),
  labelColumn: textSetting.optional(),
  /** Of texts with a label: one column, or two for pairs. */
  textColumns: namesSetting.min(1).max(2).optional(),
  splitColumn: splitFieldSetting,
  /** Column whose values are the ids of samples. @default id, key or __key__ */
  idColumn: textSetting.optional(),
  ...classSettings,
  /** Folder of images that rows name, where they do not hold them. @default the folder of the file */
  images: textSetting.optional(),
  prefix: prefixSetting,
  suffix: textSetting.optional(),
  links: linksSetting,
};

/** An opened table as the source of a recipe, with notes of its files in front. */
export const openedTable = (
  { reader, kind, pairs }: ValueReader,
  settings: { readonly classes?: readonly string[]; readonly classNames?: Readonly<Record<string, string>> },
): OpenedReader => ({
  reader: kind.startsWith('labelled') ? renameClasses(reader, settings.classNames) : reader,
  kind,
  ...(pairs ? { settings: { pairs } } : {}),
  classesGiven: settings.classes !== undefined,
});
