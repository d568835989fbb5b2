/** What a recipe may say of a Uni-Perceiver: a preset, and settings over it. */
import { ENCODER_LIMITS } from '@polygate/encoder';
import { z } from 'zod';
import { above, amount, count, MAX_FACTOR, share } from '../../number-settings.ts';

/** A value that a schema of its own checks. */
const settingValue = z.union([
  z.number(),
  z.boolean(),
  z.string(),
  z.array(z.unknown()),
  z.record(z.string(), z.unknown()),
]);

/** How the routers of experts choose, and among how many. */
const groupSettings = {
  experts: count(ENCODER_LIMITS.experts).optional(),
  topK: count(ENCODER_LIMITS.experts).optional(),
  /** The same for tokens of some modalities, by their names. */
  topKByModality: z.record(z.string(), count(ENCODER_LIMITS.experts)).optional(),
  /** What routers look at: attribute, modality, task, token, context, task-specific, or one that a package registered. */
  condition: z.string().min(1).optional(),
  /** Settings of the condition itself, which has a schema of its own. */
  conditionSettings: z.record(z.string(), settingValue).optional(),
  renormalize: z.boolean().optional(),
  /** Standard deviation of the routing noise times the number of experts. */
  noise: amount(MAX_FACTOR).optional(),
  /** Slots of an expert as a multiple of an even load, for token and context; dropless has as many as are chosen. */
  capacityFactor: z
    .union([
      z.literal('dropless'),
      z.strictObject({
        train: above(ENCODER_LIMITS.experts).optional(),
        evaluate: above(ENCODER_LIMITS.experts).optional(),
      }),
    ])
    .optional(),
  /** Likelier choices get their slots first. */
  batchPriority: z.boolean().optional(),
  /** Factors of the auxiliary losses of each router on tokens, by name: balance, z, importance, load, ... */
  losses: z.record(z.string(), amount(MAX_FACTOR)).optional(),
};

const blockNumber = z
  .number()
  .min(0)
  .max(ENCODER_LIMITS.layers - 1)
  .int();

const group = z.strictObject({
  /** Lower-case letters, digits and hyphens. */
  name: z.string().min(1),
  /** Routers of a block: each is a linear, a pattern such as attention.*, or a list of those. */
  linears: z.array(z.union([z.string(), z.array(z.string())])).min(1),
  /** Blocks that have it. @default all */
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
  ...groupSettings,
});

const moe = z.strictObject({
  ...groupSettings,
  /** Conditional layers: 1 all, 2 every other, starting with the first. */
  every: count(ENCODER_LIMITS.layers).optional(),
  attention: z.boolean().optional(),
  ffn: z.boolean().optional(),
  /** Gates of their own for each linear, beside the first of its branch. */
  separateGates: z.boolean().optional(),
  /** Factor of the balance loss of each router on tokens; the same as losses.balance. */
  balanceLoss: amount(MAX_FACTOR).optional(),
  /** Factor of the z-loss of each router on tokens; the same as losses.z. */
  zLoss: amount(MAX_FACTOR).optional(),
  /** Groups of experts, each with its own linears and condition, in place of the settings above. */
  groups: z.array(group).min(1).optional(),
});

/** Zod shape of `model` in a recipe, beside `architecture`. */
export const uniPerceiverSettings = {
  preset: z.string().default('mini-moe'),
  layers: count(ENCODER_LIMITS.layers).optional(),
  width: count(ENCODER_LIMITS.width).optional(),
  heads: count(ENCODER_LIMITS.heads).optional(),
  hidden: count(ENCODER_LIMITS.hidden).optional(),
  /** Side of a patch in pixels; must divide the image's sides. */
  patchSize: count(ENCODER_LIMITS.patchSize).optional(),
  maxPositions: count(ENCODER_LIMITS.maxPositions).optional(),
  layerScale: above(MAX_FACTOR).optional(),
  dropPath: share.optional(),
  /** A linear each for queries, keys and values, so that they may have experts of their own. */
  splitAttention: z.boolean().optional(),
  /**
   * Factor on the grid coordinates of patches: 160 / 224 carries weights of images of 160 pixels over to 224.
   * @default 1; the ratio of the grids where the model starts from another (`initialize`)
   */
  gridScale: above(MAX_FACTOR).optional(),
  /** Settings of modalities by name: those that the model embeds beside images and text. @default none beside */
  modalities: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
  /** Conditional experts; null trains the dense model of the preset. @default as in the preset */
  moe: moe.nullable().optional(),
};

/** Settings with their defaults. */
export type UniPerceiverSettings = z.output<z.ZodObject<typeof uniPerceiverSettings>>;
