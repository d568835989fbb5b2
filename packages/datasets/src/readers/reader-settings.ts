/** Settings that many readers share, as zod schemas: a reader's own shape is made of these. */
import { z } from 'zod';

const MAX_COLUMNS = 2 ** 20;

/** A text that is not empty. */
export const textSetting = z.string().min(1);
/** A count with a bound that no honest use meets. */
export const countSetting = (most: number) => z.number().min(1).max(most).int();
export const percentSetting = z.number().min(0).max(90);
/** Names of a list, each of them once. */
export const namesSetting = z
  .array(textSetting)
  .refine((list) => new Set(list).size === list.length, 'expected different names, got one twice');
/** A column by its name, or by its index from 0. */
export const columnSetting = z.union([textSetting, z.number().min(0).max(MAX_COLUMNS).int()]);
/** Column that names the split of a row; an empty text for none. @default one that is named so */
export const splitColumnSetting = z.union([z.string(), z.number().min(0).max(MAX_COLUMNS).int()]).optional();
/** A field of JSON lines that names the split of a row; an empty text for none. @default one that is named so */
export const splitFieldSetting = z.string().optional();
/** Class names in label order. @default the labels that occur */
export const classesSetting = namesSetting.min(1).optional();
/** Words for labels; labels of one word are one class. */
export const classNamesSetting = z.record(z.string(), textSetting).optional();
/** What is said of classes. */
export const classSettings = { classes: classesSetting, classNames: classNamesSetting };
/** Which links to folders are followed: those that stay inside the source's folder or the work directory, or all. */
export const linksSetting = z.enum(['inside', 'follow']).default('inside');
/** Cut from the front of the images' names. */
export const prefixSetting = textSetting.optional();

const delimiter = z
  .string()
  .regex(
    /^[^"\r\n]$/u,
    'expected one character such as ",", ";", "|" or a tab (\\t), not a quote or a line end',
  );

/** How a table is laid out. */
export const tableSettings = {
  delimiter: delimiter.optional(),
  /** Whether quotes group cells or belong to the text. @default csv with commas and semicolons, else none */
  quotes: z.enum(['csv', 'none']).optional(),
  /** Whether the first line names the columns; else they are counted from 0. */
  header: z.boolean().default(true),
};

/** Name of a dataset, a split or a source, which is also that of a folder. */
export const nameSetting = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]*$/u, 'expected lower-case letters, digits and "-"');

/** What the sources of all readers share that leave datasets and splits to the recipe. */
export const commonSettings = {
  /** Dataset that the rows belong to, where several sources make one. @default the source's key */
  dataset: nameSetting.optional(),
  /** Split of all rows. @default the splits that the source names, else by the hash of what a sample shows */
  split: nameSetting.optional(),
  /** Share of samples put aside for use during training, in percent. */
  validationPercent: percentSetting.default(5),
  /** Share of samples put aside for evaluation, in percent. */
  testPercent: percentSetting.default(10),
};

/** Where the recipe names the split of all rows, a column of splits is not looked for. */
export const splitColumnOf = <C extends string | number>(settings: {
  readonly split?: string;
  readonly splitColumn?: C;
}): { readonly splitColumn?: C | '' } => {
  const column = settings.splitColumn ?? (settings.split === undefined ? undefined : '');
  return column === undefined ? {} : { splitColumn: column };
};
