/**
 * The record of a kind of dataset: which columns its rows have, how samples become rows, and what the stages must know
 * of it. A kind of another package is prepared, trained on and evaluated like these.
 */
import {
  call,
  callNow,
  listOf,
  oneOf,
  optional,
  rules,
  settingShape,
  shaped,
  streamOf,
  type Budgets,
  type NamedRecord,
  type Random,
  type RecordShape,
} from '@polygate/core';
import type { ColumnInput, DatasetMetadata, FieldKind, RecordBatch } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';
import type { z } from 'zod';
import type { DecodeOptions } from '../images/image-decode.ts';
import type { Sample } from '../samples/sample.ts';
import type { ShownImages } from '../splits/shown-key.ts';
import type { SubsetUnit } from '../subsets/subset-rule.ts';
import type { SuiteDataset } from '../suite/suite.ts';
import type { RowOptions, SampleNote } from './row-batches.ts';
import type { Thumbnails } from './thumbnails.ts';

/** Settings of a kind: those of its section of the recipe, and those that the source decides. */
export type KindSettings = Readonly<Record<string, unknown>>;

/** What the columns of a dataset depend on. */
export interface ColumnOptions {
  /** Side of the square images in pixels. */
  readonly imageSize: number;
  readonly settings: KindSettings;
}

/** What samples are made rows with. */
export interface KindRowOptions extends RowOptions {
  readonly tokenizer: Tokenizer;
  /** Size, fit and background of images. */
  readonly image: DecodeOptions;
  /** Most tokens of a row of text. */
  readonly textLength: number;
  /** `DATASET/SPLIT`, for rows that have no sample's id. */
  readonly name: string;
  readonly settings: KindSettings;
  readonly budgets?: Partial<Budgets>;
  /** Told of samples that are used although something of them is lost. */
  readonly onNote?: (note: SampleNote) => void;
}

/** What samples are compared with before they are rows. */
export interface ShownOptions {
  readonly settings: KindSettings;
  readonly budgets?: Partial<Budgets>;
}

/** A written dataset, as baselines read it. */
export interface BaselineContext {
  /** Folder of the suite. */
  readonly directory: string;
  readonly dataset: SuiteDataset;
  readonly imageSize: number;
  readonly tokenizer: Tokenizer;
}

/** A written dataset that has a training split. */
export type MeasuredContext = Pick<BaselineContext, 'directory' | 'dataset'>;

/** What made-up rows are made of. */
export interface SyntheticOptions {
  readonly rows: number;
  /** Side of the images, pixels. */
  readonly imageSize: number;
  /** Most tokens of a text. */
  readonly textLength: number;
  readonly tokenizer: Tokenizer;
  /** Words that the tokenizer knows. */
  readonly words: readonly string[];
  readonly classes: readonly string[];
  readonly random: Random;
  readonly settings: KindSettings;
}

/** A section of the recipe of prepare that belongs to one or several kinds. */
export interface KindSection {
  /** Key in the recipe, such as `video`. */
  readonly name: string;
  /** Its settings as zod schemas, all with defaults. */
  readonly settings: z.ZodRawShape;
}

/** A kind of dataset, registered by `registerKind`. */
export interface DatasetKind extends NamedRecord {
  /** Names of the modalities that a row holds. */
  readonly modalities: readonly string[];
  /** Names of the modalities of a dataset, for a kind whose datasets differ in them. @default `modalities` */
  modalitiesOf?(settings: KindSettings): readonly string[];
  /** Whether rows have a label that is an index into the classes of the dataset. */
  readonly hasClasses: boolean;
  /** Whether rows hold ids of the suite's tokenizer. */
  readonly needsTokenizer: boolean;
  /** Whether each sample is a row that has its id; else rows are packed of several. @default true */
  readonly keepsSamples?: boolean;
  /**
   * What a share of its samples is a share of: each class, the samples, or the pairs of a sample and a caption.
   * @default classes where there are some, else samples
   */
  readonly subsetUnit?: SubsetUnit;
  /** Columns of square images, one after another: what is resized where a run asks for another size. @default none */
  readonly pixelColumns?: readonly string[];
  /** Further settings of the recipe. @default none */
  readonly section?: KindSection;
  /** What suite.json says of the settings of a dataset. @default those of the kind's section, and of its source */
  told?(settings: KindSettings): KindSettings;
  columns(options: ColumnOptions): Readonly<Record<string, FieldKind>>;
  /** What the schema says of the rows beside kind, classes and tokenizer. @default nothing */
  metadata?(options: ColumnOptions): Pick<DatasetMetadata, 'image' | 'settings'>;
  /**
   * The images that a sample shows beside `image`, by whose pixels it is equal to others, whatever files hold them;
   * undefined for a sample that can't be read. Drawn splits keep equal samples on one side.
   * @default samples are equal by the bytes of their contents
   */
  shown?(sample: Sample, options: ShownOptions): Promise<ShownImages | undefined>;
  /** How its rows are shown on sheets of samples. @default they are not */
  readonly thumbnails?: Thumbnails;
  /** Rows of samples, as the schema says. Samples that can't be used are handed to `onFault`. */
  batches(samples: AsyncIterable<Sample>, options: KindRowOptions): AsyncIterable<RecordBatch>;
  /**
   * The settings of a written dataset with what is known of its training split alone, such as means and deviations.
   * @default what it was prepared with
   */
  measured?(context: MeasuredContext): Promise<KindSettings>;
  /** Scores of simple baselines on the splits that are held out, from the written rows. @default none */
  baselines?(context: BaselineContext): Promise<Pick<SuiteDataset, 'baselines' | 'mostFrequentCaption'>>;
  /** Columns of made-up rows, of which nothing can be learned. */
  synthetic(options: SyntheticOptions): Readonly<Record<string, ColumnInput>>;
}

/** What the fields of a {@link DatasetKind} must be. */
export const datasetKindShape: RecordShape<DatasetKind> = {
  modalities: listOf(rules.text, 1),
  modalitiesOf: optional(call(listOf(rules.text, 1))),
  hasClasses: rules.flag,
  needsTokenizer: rules.flag,
  keepsSamples: optional(rules.flag),
  subsetUnit: optional(oneOf('classes', 'samples', 'captions')),
  pixelColumns: optional(listOf(rules.text, 1)),
  section: optional(shaped({ name: rules.text, settings: settingShape({ defaults: true }) })),
  told: optional(callNow(rules.json)),
  columns: callNow(rules.record),
  metadata: optional(callNow(rules.record)),
  shown: optional(call(optional(rules.record))),
  thumbnails: optional(shaped({ image: rules.function, title: call(rules.text) })),
  batches: callNow(streamOf(shaped({ numRows: rules.count, schema: rules.record }))),
  measured: optional(call(rules.json)),
  baselines: optional(call(rules.record)),
  synthetic: callNow(rules.record),
};
