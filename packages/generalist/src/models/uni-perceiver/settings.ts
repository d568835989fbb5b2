/** What a recipe may say of a Uni-Perceiver: a preset, and settings over it. */
import { ENCODER_LIMITS } from '@polygate/encoder';
import { z } from 'zod';
import { above, amount, count, MAX_FACTOR, share } from '../../number-settings.ts';

const moe = z.strictObject({
  experts: count(ENCODER_LIMITS.experts).optional(),
  topK: count(ENCODER_LIMITS.experts).optional(),
  /** What routers look at: attribute, modality, task, token, context, task-specific, or one that a package registered. */
  condition: z.string().min(1).optional(),
  /** Conditional layers: 1 all, 2 every other, starting with the first. */
  every: count(ENCODER_LIMITS.layers).optional(),
  attention: z.boolean().optional(),
  ffn: z.boolean().optional(),
  renormalize: z.boolean().optional(),
  /** Gates of their own for the attention output and the second feed-forward linear. */
  separateGates: z.boolean().optional(),
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
  /** Factor of the balance loss of each router on tokens. */
  balanceLoss: amount(MAX_FACTOR).optional(),
  /** Factor of the z-loss of each router on tokens. */
  zLoss: amount(MAX_FACTOR).optional(),
});

/** Zod shape of `model` in a recipe, beside `architecture`. */
export const uniPerceiverSettings = {
  preset: z.string().default('mini-moe'),
  layers: count(ENCODER_LIMITS.layers).optional(),
  width: count(ENCODER_LIMITS.width).optional(),
  heads: count(ENCODER_LIMITS.heads).optional(),
  hidden: count(ENCODER_LIMITS.hidden).optional(),
  /** Side of a patch in pixels; must divide the picture's sides. */
  patchSize: count(ENCODER_LIMITS.patchSize).optional(),
  maxPositions: count(ENCODER_LIMITS.maxPositions).optional(),
  layerScale: above(MAX_FACTOR).optional(),
  dropPath: share.optional(),
  /**
   * Factor on the grid coordinates of patches: 160 / 224 carries weights of pictures of 160 pixels over to 224.
   * @default 1; the ratio of the grids where the model starts from another (`initialize`)
   */
  gridScale: above(MAX_FACTOR).optional(),
  /** Conditional experts; null trains the dense model of the preset. @default as in the preset */
  moe: moe.nullable().optional(),
};

/** Settings with their defaults. */
export type UniPerceiverSettings = z.output<z.ZodObject<typeof uniPerceiverSettings>>;
