/** What a recipe may say of an SM^4: a preset, and settings over it. The paper's values are those of the presets. */
import { ENCODER_LIMITS } from '@polygate/encoder';
import { z } from 'zod';
import { above, amount, count, MAX_FACTOR, share } from '../../number-settings.ts';

/** Who has a router of its own in a part of the blocks; `dense` has no experts there. */
const routers = z.enum(['single', 'modality', 'task', 'dense']);

const blockNumber = z
  .number()
  .min(0)
  .max(ENCODER_LIMITS.layers - 1)
  .int();

/** Adaptive expert allocation: see expert-allocation.ts. */
const allocation = z.strictObject({
  /** Evaluations without improvement after which the number of experts changes. */
  patience: count(MAX_FACTOR).default(1),
  /** Least fall of the validation loss that is an improvement. */
  minimumDelta: amount(MAX_FACTOR).default(0),
  /** Share of the earlier average in the loss that is looked at. */
  smoothing: z.number().min(0).max(0.999).default(0),
  /** Largest number of experts of a token. @default all */
  most: count(ENCODER_LIMITS.experts).optional(),
  /** Whether every task has a number for each of its modalities, or a modality one for all tasks. */
  by: z.enum(['task-modality', 'modality']).default('task-modality'),
  /** Loss of a modality: that of its task with the modality alone, or with all. */
  loss: z.enum(['alone', 'all']).default('alone'),
});

/** Adaptive learning pace: see learning-pace.ts. */
const pace = z.strictObject({
  /** Modalities that are weighed against each other. */
  scope: z.enum(['task', 'all']).default('task'),
  /** Entropy of each token's probabilities, on average, or of the share of choices of each expert. */
  entropy: z.enum(['token', 'choice']).default('token'),
  /** Whether weights are scaled to a mean of 1; the paper's add up to one less than there are modalities. */
  unitMean: z.boolean().default(false),
});

/** Zod shape of `model` in a recipe, beside `architecture`. */
export const sm4Settings = {
  /** small, medium or large: experts, latents and balance factor of the paper. */
  preset: z.string().default('small'),
  /** Channels of a latent. */
  width: count(ENCODER_LIMITS.width).optional(),
  /** Latents of a modality. */
  latents: count(ENCODER_LIMITS.maxPositions).optional(),
  crossHeads: count(ENCODER_LIMITS.heads).optional(),
  crossHeadWidth: count(ENCODER_LIMITS.width).optional(),
  latentLayers: count(ENCODER_LIMITS.layers).optional(),
  latentHeads: count(ENCODER_LIMITS.heads).optional(),
  latentHeadWidth: count(ENCODER_LIMITS.width).optional(),
  latentHidden: count(ENCODER_LIMITS.hidden).optional(),
  /** Blocks over the latents of all modalities. */
  layers: count(ENCODER_LIMITS.layers).optional(),
  heads: count(ENCODER_LIMITS.heads).optional(),
  /** Hidden channels of an expert of the feed-forward part. */
  hidden: count(ENCODER_LIMITS.hidden).optional(),
  /** Frequencies of a position code, and twice the highest of them. */
  bands: count(ENCODER_LIMITS.width).optional(),
  maximalFrequency: above(MAX_FACTOR).optional(),
  /** Experts of each linear of attention and of the feed-forward part. */
  experts: count(ENCODER_LIMITS.experts).optional(),
  /** Experts that a token chooses; where their allocation is adaptive, those that it begins with. */
  topK: count(ENCODER_LIMITS.experts).default(1),
  /** Routers of the queries, keys and values. */
  attention: routers.default('single'),
  /** Routers of the feed-forward part. */
  feedForward: routers.default('single'),
  /** Whether queries, keys and values follow one router. */
  sharedAttentionRouter: z.boolean().default(false),
  /** Blocks that have experts. @default all */
  blocks: z
    .union([
      z.array(blockNumber),
      z.strictObject({
        every: count(ENCODER_LIMITS.layers).optional(),
        first: blockNumber.optional(),
        last: blockNumber.optional(),
      }),
    ])
    .optional(),
  /** Whether gates are divided by their sum; the paper's are not, and a single one would teach its router nothing. */
  renormalize: z.boolean().default(false),
  /** Deviation of the routing noise times the number of experts. */
  noise: amount(MAX_FACTOR).default(1),
  /** Factor of the importance and load losses of each router. */
  balance: amount(MAX_FACTOR).optional(),
  /** Slots of an expert as a multiple of an even load; the paper knows none. */
  capacityFactor: z
    .union([
      z.literal('dropless'),
      z.strictObject({
        train: above(ENCODER_LIMITS.experts).optional(),
        evaluate: above(ENCODER_LIMITS.experts).optional(),
      }),
    ])
    .default('dropless'),
  /** How the latents of a sample's modalities meet: in a sequence, or each as a sample of its own (an ablation). */
  join: z.enum(['sequence', 'batch']).default('sequence'),
  /** What a modality's latents become for its head: their mean, or the last one. */
  pooling: z.enum(['mean', 'last']).default('mean'),
  /** Share of a batch in the running moments of the heads' batch norm. */
  momentum: share.default(0.1),
  /** Adaptive expert allocation; null keeps topK. */
  allocation: allocation.nullable().prefault({}),
  /** Adaptive learning pace; null lets all modalities learn alike. */
  pace: pace.nullable().prefault({}),
  /** Side of a patch in pixels; must divide the images' sides. */
  patchSize: count(ENCODER_LIMITS.patchSize).default(8),
  /** Channels of a token of text in the table that looks it up. */
  textWidth: count(ENCODER_LIMITS.width).default(64),
  /**
   * Least sizes of the tokens of modalities, by name, beside those that the tasks need: a model that is to learn other tasks
   * later has room for them. @default what the tasks need
   */
  inputs: z
    .record(
      z.string(),
      z.strictObject({
        width: count(ENCODER_LIMITS.hidden),
        axes: count(8),
        extent: count(ENCODER_LIMITS.maxPositions).optional(),
      }),
    )
    .optional(),
};

/** Settings with their defaults. */
export type Sm4Settings = z.output<z.ZodObject<typeof sm4Settings>>;
/** Settings of adaptive expert allocation. */
export type AllocationSettings = NonNullable<Sm4Settings['allocation']>;
/** Settings of adaptive learning pace. */
export type PaceSettings = NonNullable<Sm4Settings['pace']>;
