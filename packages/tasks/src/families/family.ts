/**
 * What a task family is to everything else: one record. Recipes, defaults, temperatures, help, size estimates, evaluation
 * and predictions are derived from the records that are registered.
 */
import {
  call,
  callNow,
  listOf,
  oneOf,
  optional,
  rules,
  ruleOf,
  settingShape,
  shaped,
  type NamedRecord,
  type RecordShape,
  type Rule,
} from '@polygate/core';
import type { AttributeRow, TaskSignature } from '@polygate/attributes';
import { scoreReportRule, type ScoreReport } from '@polygate/evaluation';
import type { RecordBatch } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';
import type { z } from 'zod';
import type { CandidateSet } from '../candidates.ts';
import type { SplitContext } from '../evaluation/context.ts';
import type { ImageInput } from '@polygate/modalities';
import { taskBatchRule, type Task } from '../task.ts';
import type { FamilyPredictor } from './predictor.ts';
import type { CommonSettings, FamilyDefaults } from './settings.ts';
import type { FamilySheet } from './sheet.ts';

/** Fields of a zod object: the settings that a family has beside the common ones. */
export type SettingFields = z.ZodRawShape;

/** A task of a recipe: the common settings, and the family's own. */
export type SettingsOf<Fields extends SettingFields> = CommonSettings &
  Readonly<z.output<z.ZodObject<Fields>>>;

/** A kind of segment that a task shows to routers. */
export interface TaskSegment {
  /** Name of its modality. */
  readonly modality: string;
  readonly row: AttributeRow;
  /**
   * What its tokens are, in reports on routers, such as `image`.
   * @default as other families call tokens of that row
   */
  readonly label?: string;
}

/** An input of a task whose inputs are those of its dataset. */
export interface TaskInput {
  /** Of the input, and of its column. */
  readonly name: string;
  /** Name of its modality. */
  readonly modality: string;
  readonly row: AttributeRow;
  /** What the modality's record reads it by. */
  readonly input: object;
  /** Its place among the inputs of the dataset. */
  readonly index: number;
}

/** What inputs of a model are read by. */
export interface InputSources {
  /** Images of the model. */
  readonly image: ImageInput;
  readonly tokenizer: { readonly size: number; readonly specials: { readonly endoftext: number } };
}

/** What a task knows of its dataset. */
export interface DescribedDataset {
  readonly name: string;
  readonly classes?: readonly string[];
  /** Settings of its kind that it was prepared with. @default none */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** What a task is made from, beside its settings. */
export interface TaskContext {
  readonly dataset: DescribedDataset;
  readonly tokenizer: Tokenizer;
  readonly image: ImageInput;
  /** The model's own, so that features are encoded once. @default one per task */
  readonly vocabulary?: CandidateSet;
  /** Whether batches are for training: elsewhere candidates are whole. @default true */
  readonly training?: boolean;
  /** How often each token is a label of this task; for the correction of sampled candidates. */
  readonly frequencies?: ArrayLike<number>;
  /** How often each token is a label of any task; what negatives are drawn by. @default frequencies */
  readonly drawFrequencies?: ArrayLike<number>;
}

/** Which tokens are labels of a task, for draws of candidates by frequency. */
export interface LabelCounts<Fields extends SettingFields = SettingFields> {
  /** Whether the task draws candidates by them. */
  needed(settings: SettingsOf<Fields>, tokenizer: Pick<Tokenizer, 'size'>): boolean;
  /** Tokens that are labels of the rows of a batch. */
  labels(batch: RecordBatch, tokenizer: Pick<Tokenizer, 'specials'>): Iterable<number>;
}

/** What sizes are estimated from. */
export interface SizeInput {
  /** Patches of an image. */
  readonly patches: number;
  /** Numbers of an image. */
  readonly imageValues: number;
  /** Tokens of a row of text. */
  readonly textLength: number;
}

/** Size of one sample. */
export interface SampleSize {
  /** Positions of the encoder, prefixes and queries included; candidates that are encoded once are left out. */
  readonly positions: number;
  /** Numbers of its images or other raw inputs. */
  readonly values: number;
}

/** What tuning does for a family where a recipe is silent. */
export interface FamilyTuning {
  /** Whether inputs and targets have the same prompts. @default 'shared' */
  readonly prompts?: 'shared' | 'separate';
  /** Whether classes get a linear head beside their names. @default false */
  readonly head?: boolean;
}

/** A task family. Make one with {@link defineTaskFamily}. */
export interface TaskFamily<
  Fields extends SettingFields = SettingFields,
  Predictor extends FamilyPredictor = FamilyPredictor,
> extends NamedRecord {
  /** Kind of dataset that it reads. */
  readonly kind: string;
  /** Settings beside the common ones, as fields of a zod object. */
  readonly settings: Fields;
  readonly defaults: FamilyDefaults;
  /** @default that of each task, for a family whose tasks differ */
  readonly signature?: TaskSignature;
  /**
   * Kinds of segments of its inputs, then of its candidates; a function of what is kept of a task where tasks differ. Of
   * one of which nothing is kept it gives what all have.
   */
  readonly segments:
    readonly TaskSegment[] | ((kept?: Readonly<Record<string, unknown>>) => readonly TaskSegment[]);
  /**
   * The inputs of a task, where they are those of its dataset: models make what embeds them by it.
   * @param kept what is kept of the task
   * @default the modalities of the segments, each with the settings that its record has
   */
  inputs?(kept: Readonly<Record<string, unknown>> | undefined, sources: InputSources): readonly TaskInput[];
  /** Name of the learned temperature. @default the family's name */
  readonly temperature?: string;
  /**
   * Name of the task that a recipe without tasks gets for a dataset of the kind.
   * @default none: recipes must ask for the family
   */
  taskName?(dataset: string): string;
  /** @throws ConfigError for settings that don't fit the dataset */
  create(name: string, settings: SettingsOf<Fields>, context: TaskContext): Task;
  /** @default none: candidates are whole or drawn evenly */
  readonly labelCounts?: LabelCounts<Fields>;
  /**
   * Longest text of a family that has the setting `maximumTokens`, where a recipe leaves that out; a model of fewer
   * positions has its texts cut at those.
   * @default as long as they were prepared
   */
  readonly longestText?: number;
  size(settings: SettingsOf<Fields>, input: SizeInput): SampleSize;
  /**
   * Settings that the model keeps for predictions.
   * @param dataset what it was trained on, with the settings of its kind that it was prepared with
   * @default none
   */
  kept?(settings: SettingsOf<Fields>, dataset: DescribedDataset): Readonly<Record<string, unknown>>;
  /** Whether the names of the dataset's classes go with the model. @default false */
  readonly keepsClasses?: boolean;
  readonly tuning?: FamilyTuning;
  /** Scores of a split with chance and baselines, the one to look at first before the others. */
  evaluate(context: SplitContext): Promise<readonly ScoreReport[]>;
  /**
   * How its scores, chance and baselines are to be read: sentences below a report. Families that say the same share one.
   * @default none
   */
  readonly notes?: readonly string[];
  /** What it shows of the samples on a sheet. @default nothing */
  readonly sheet?: FamilySheet;
  /** @default none: the family has no verb of `predict` */
  readonly predict?: Predictor;
}

const share = ruleOf('a number of 0 to 1', (value) => typeof value === 'number' && value >= 0 && value <= 1);
const modalityNames = listOf(rules.text, 1);
const words = ruleOf('a text', (value) => typeof value === 'string');

const segmentList = listOf(
  shaped({ modality: rules.text, row: rules.record, label: optional(rules.text) }),
  1,
);
/** A list of segments, or a function that gives one. */
const segmentsRule: Rule = Object.assign(
  (value: unknown, path = '') => (typeof value === 'function' ? undefined : segmentList(value, path)),
  { gives: () => segmentList },
);

/** What answers of a verb are, each of a list: of images and texts one list for each. */
const predictorShape = shaped({
  verb: ruleOf(
    'a word of lower-case letters, digits and hyphens',
    (value) => typeof value === 'string' && /^[a-z][a-z0-9-]*$/u.test(value),
  ),
  summary: rules.text,
  input: oneOf('images', 'texts', 'gallery', 'files'),
  key: rules.text,
  options: optional(
    listOf(
      shaped({
        name: rules.text,
        flag: optional(rules.text),
        type: oneOf('count', 'number', 'words', 'text', 'choice'),
        summary: rules.text,
        most: optional(rules.amount),
        choices: optional(listOf(rules.text, 1)),
      }),
    ),
  ),
  predict: call(rules.list),
  predictTable: optional(rules.function),
  format: optional(call(words)),
  argument: optional(rules.text),
  items: optional(shaped({ item: rules.text, find: call(listOf(rules.text)), read: call(rules.record) })),
});

/** What `create` gives, as far as it is known before a batch is there. */
const taskShape = shaped({
  name: rules.text,
  family: rules.text,
  temperature: rules.text,
  lossWeight: rules.amount,
  labelSmoothing: share,
  collate: callNow(taskBatchRule),
});

/** What the fields of a {@link TaskFamily} must be. */
export const taskFamilyShape: RecordShape<TaskFamily> = {
  kind: rules.text,
  settings: settingShape(),
  defaults: shaped({ labelSmoothing: share }),
  signature: optional(shaped({ inputs: modalityNames, targets: modalityNames })),
  segments: segmentsRule,
  inputs: optional(
    call(listOf(shaped({ name: rules.text, modality: rules.text, row: rules.record, input: rules.record }))),
  ),
  temperature: optional(rules.text),
  taskName: optional(callNow(rules.text)),
  create: callNow(taskShape),
  labelCounts: optional(shaped({ needed: callNow(rules.flag), labels: rules.function })),
  longestText: optional(rules.count),
  size: callNow(shaped({ positions: rules.amount, values: rules.amount })),
  kept: optional(callNow(rules.json)),
  keepsClasses: optional(rules.flag),
  tuning: optional(shaped({ prompts: optional(oneOf('shared', 'separate')), head: optional(rules.flag) })),
  evaluate: call(listOf(scoreReportRule)),
  notes: optional(listOf(rules.text)),
  sheet: optional(
    shaped({ label: rules.text, answers: call(listOf(shaped({ answer: words, expected: words }))) }),
  ),
  predict: optional(predictorShape),
};

/** A family with its settings and its verb typed. */
export const defineTaskFamily = <
  Fields extends SettingFields,
  Predictor extends FamilyPredictor = FamilyPredictor,
>(
  family: TaskFamily<Fields, Predictor>,
): TaskFamily<Fields, Predictor> => Object.freeze(family);
