/** Settings of tasks, as recipes write them: those that every family has, and those that several share. */
import { z } from 'zod';
import { ConfigError } from '@polygate/core';
import { augmentationSchema, mixesRows } from '@polygate/tokens';
import { generationSettings } from '../generation/generation-options.ts';

export const share = z.number().min(0).max(1);
/** A count with a bound that no honest use meets. */
const count = (most: number) => z.number().min(1).max(most).int();

/** Rows of a batch, and draws of candidates. */
const MAX_BATCH = 2 ** 20;
const MAX_TOKENS = 2 ** 16;
const MAX_SUBSET = 2 ** 31;
const MAX_FACTOR = 1e6;

/**
 * Which samples of its split a task learns from: one of `share`, `perClass` and `list`. Of classes a share takes
 * `floor(share * n) + 1` samples each; of other samples `floor(share * n)`, of captioned clips so many pairs of clip and
 * caption (Uni-Perceiver-MoE, section 4.4, and its code).
 */
const subset = z
  .strictObject({
    /** Above 0, at most 1, such as 0.01. */
    share: z.number().positive().max(1).optional(),
    /** Samples of each class. */
    perClass: count(MAX_SUBSET).optional(),
    /** File with the ids to learn from: those that a run folder has, or a text of one id a line. */
    list: z.string().min(1).optional(),
    /** Chooses the samples; the run's seed does not. */
    seed: z.number().int().min(0).default(1),
  })
  .refine(
    ({ share: part, perClass, list }) =>
      [part, perClass, list].filter((each) => each !== undefined).length === 1,
    'expected one of share, perClass and list',
  );

/** What tasks of every family may say, beside their family. @param defaults those of the family */
export const commonSettings = (defaults: FamilyDefaults) => ({
  /** Dataset of the suite. */
  dataset: z.string().min(1),
  split: z.string().min(1).default('train'),
  /** Which samples of the split it learns from. @default all */
  subset: subset.optional(),
  /** How often the task is drawn, relative to the others. @default the square root of its number of samples */
  weight: z.number().positive().max(1e12).optional(),
  /** Factor of its loss. */
  lossWeight: z.number().min(0).max(MAX_FACTOR).default(1),
  /** Samples in one step. */
  batchSize: count(MAX_BATCH).default(32),
  /** Share of the target mass spread evenly over the candidates. @default the family's own */
  labelSmoothing: share.default(defaults.labelSmoothing),
});

/** What a family says where a recipe is silent, of the settings that all families have. */
export interface FamilyDefaults {
  /** 0 to 1. */
  readonly labelSmoothing: number;
}

/** Settings that tasks of every family have. */
export type CommonSettings = { readonly family: string } & Readonly<
  z.output<z.ZodObject<ReturnType<typeof commonSettings>>>
>;

/**
 * Changes of training images: a preset by name, a list of steps (`{ kind, ...settings }`), or the settings of the affine step
 * alone. @default none
 */
export const augmentation = augmentationSchema.optional();

/** @throws ConfigError for an augmentation that mixes rows, in a task whose rows have no classes that could be mixed */
export const requireUnmixed = (task: string, changes: z.output<typeof augmentation>): void => {
  if (changes === undefined || !mixesRows(changes)) return;
  throw new ConfigError(
    `task "${task}": expected an augmentation of single images, got one that mixes rows, which needs classes; leave its step mix out`,
    { code: 'mixing-needs-classes', fields: { task } },
  );
};

/** Candidates in training. @default whole classes; 512 sampled tokens for vocabularies above 1024 */
export const candidates = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('whole') }),
    z.strictObject({
      kind: z.literal('sampled'),
      /** Draws per batch beside the batch's own labels. */
      negatives: count(MAX_BATCH),
      distribution: z.enum(['uniform', 'unigram']).default('unigram'),
      /** Label frequencies are raised to this power. */
      power: z.number().min(0).max(16).default(0.75),
      /** Share of unigram draws that are uniform instead. */
      uniformShare: z.number().positive().max(1).default(0.1),
    }),
  ])
  .optional();

export type CandidateSettingsInput = z.output<typeof candidates>;

/** How texts are written when the model is evaluated and asked; goes with the model. @default see `GenerationOptions` */
export const generation = generationSettings.optional();

/** Longest text in tokens. @default the family's own */
export const maximumTokens = count(MAX_TOKENS).optional();
