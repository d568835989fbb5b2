/**
 * An architecture as a record: everything that the rest of the product must know of a kind of model before one of it
 * exists. A model of another package is a record that it registers; see docs/extending.md.
 */
import {
  call,
  callNow,
  listOf,
  optional,
  ruleOf,
  rules,
  settingShape,
  shaped,
  type Random,
  type RecordShape,
} from '@polygate/core';
import type { TrainedTask } from '@polygate/tasks';
import type { Tokenizer } from '@polygate/tokens';
import type { z } from 'zod';
import { generalistRule, type Generalist } from './model.ts';
import type { ModelConfig } from './model-config.ts';

/** What data decide of a model. */
export interface ModelData extends Omit<ModelConfig, 'architecture'> {
  /** Tokens of the tokenizer. */
  readonly vocabularySize: number;
}

/** Sizes of a model, for estimates. */
export interface ModelSize {
  /** Scalars of all parameters. */
  readonly parameters: number;
  /** Side of a patch of its images, pixels. */
  readonly patch: number;
  /** Longest text in tokens. */
  readonly textLength: number;
  /** Values that the forward of one sample of so many positions keeps for its backward. */
  activations(positions: number): number;
  /** Of those, what no engine can do without. */
  leastActivations(positions: number): number;
}

/** What a model is made of besides its configuration. */
export interface ModelParts {
  readonly tokenizer: Tokenizer;
  /** Draws the start values. */
  readonly random: Random;
}

/** How a recipe's model follows from the one that it starts from. */
export interface StartContext {
  readonly start: ModelConfig;
  /** Images that the new model is for. */
  readonly image: ModelConfig['image'];
}

/** A kind of models. */
export interface ModelArchitecture<
  Config extends ModelConfig = ModelConfig,
  Settings extends object = Readonly<Record<string, unknown>>,
> {
  /** `architecture` in recipes and in config.json. */
  readonly name: string;
  /** One line for lists of names. */
  readonly summary: string;
  /** What `model` of a recipe may say beside `architecture`: a zod shape, every key with a default or optional. */
  readonly settings: z.ZodRawShape;
  /** What config.json has beside the fields of {@link ModelConfig}: a zod shape. */
  readonly config: z.ZodRawShape;
  /** What of a config.json can't be, beside what its shape says. @default nothing */
  problemOf?(config: Config): { readonly expected: string; readonly got: string } | undefined;
  /** The configuration that settings ask for. @throws ConfigError for settings that make no model */
  configure(settings: Settings, data: ModelData): Config;
  /**
   * A model with fresh weights on the current engine.
   * @throws ConfigError, StateError when tokenizer and configuration don't belong together
   */
  create(config: Config, parts: ModelParts): Generalist;
  /** Nothing is allocated. @throws ConfigError for a configuration that makes no model */
  size(config: Config): ModelSize;
  /** Data that its settings were made for, for estimates before there are any. @default 4096 tokens, 224 x 224 pixels */
  standIn?(settings: Settings): Pick<ModelData, 'vocabularySize' | 'image'>;
  /**
   * Sizes and costs as text, for `--describe`; nothing is allocated.
   * @param tasks names of the tasks
   */
  describe(settings: Settings, tasks: readonly string[]): string;
  /**
   * The configuration of a model that goes on as another's, for other tasks. @default the same with their names
   * @param change `dropPath` while it is trained; undefined leaves the model's own
   */
  forTasks?(
    config: Config,
    change: { readonly tasks: readonly TrainedTask[]; readonly dropPath: number | undefined },
  ): Config;
  /** Settings of a configuration that change nothing, by their paths in `model` of a recipe; they are warned of. @default none */
  idle?(config: Config): readonly string[];
  /** Settings that a start decides and the recipe leaves open. @default none */
  settingsOfStart?(settings: Settings, context: StartContext): Partial<Settings>;
}

/** What the fields of a {@link ModelArchitecture} must be. */
export const modelShape: RecordShape<ModelArchitecture> = {
  settings: settingShape({ defaults: true }),
  config: settingShape(),
  problemOf: optional(callNow(optional(shaped({ expected: rules.text, got: rules.text })))),
  configure: callNow(rules.record),
  create: callNow(generalistRule),
  size: callNow(
    shaped({
      parameters: rules.amount,
      patch: ruleOf('a whole number above 0', (value) => Number.isSafeInteger(value) && Number(value) > 0),
      textLength: rules.count,
      activations: call(rules.amount),
      leastActivations: call(rules.amount),
    }),
  ),
  standIn: optional(callNow(shaped({ vocabularySize: rules.count, image: rules.record }))),
  describe: callNow(rules.text),
  forTasks: optional(callNow(rules.record)),
  idle: optional(callNow(listOf(rules.text))),
  settingsOfStart: optional(callNow(rules.record)),
};
