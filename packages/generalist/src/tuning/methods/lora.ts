/**
 * Low-rank adaptation (LoRA, Hu et al. 2021, section 4.1): y = W x + b + s B (A x), W frozen, A drawn and B at 0, so that it
 * begins at the base. s is alpha / rank, or alpha / sqrt(rank) (rank-stabilised, Kalajdzievski 2023). A is drawn as peft
 * draws it, Kaiming-uniform with a = sqrt(5): uniform within 1 / sqrt(I).
 *
 * Experts: one product beside a linear, whichever experts a token has, or one in the weight of each expert.
 *
 * B batch · L tokens · R rank · I inputs · O outputs
 */
import { ConfigError, rowRandoms, type Random } from '@polygate/core';
import type { ParameterSpec } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import type { AdapterParts, TuningContext, TuningMethod } from '../tuning-method.ts';
import { classesSetting, classParts, isNorm } from './class-parts.ts';
import { joinedPairs, pairOutput, pairsOf, pairWeight } from './low-rank-pairs.ts';
import { lowRankName, lowRankSites } from './low-rank-sites.ts';

/** Largest rank, and largest alpha. */
const MAX_RANK = 2 ** 12;

const loraSettings = {
  /** Rank of the products. */
  rank: z.number().int().min(1).max(MAX_RANK).default(8),
  /** Scale of the products before it is divided by the rank, or its root. */
  alpha: z.number().positive().max(MAX_RANK).default(16),
  /** Whether alpha is divided by the root of the rank (rsLoRA). */
  rankStabilized: z.boolean().default(false),
  /** Probability of dropping an input of a product in training, drawn by sample. */
  dropout: z.number().min(0).lt(1).default(0),
  /**
   * Linears of a block by name, or by the beginning of it and a star; a part of a fused attention.qkv by attention.query,
   * attention.key or attention.value. An empty list has none: heads and norms alone.
   */
  linears: z.array(z.string().min(1)).default(['attention.*', 'ffn.*']),
  /** Blocks, from 0. @default all */
  blocks: z.array(z.number().int().min(0)).min(1).optional(),
  /** What linears with experts get: one product whatever the experts, or one for each. */
  experts: z.enum(['shared', 'each']).default('shared'),
  /** Whether norms are trained, too. */
  norms: z.boolean().default(false),
  /** What classes get beside their names: a linear head over the features, a learned token each, or nothing. */
  classes: classesSetting.default('none'),
};

export type LoraSettings = Readonly<z.output<z.ZodObject<typeof loraSettings>>>;

/** Factor of the products. */
const loraScale = ({
  rank,
  alpha,
  rankStabilized,
}: Pick<LoraSettings, 'rank' | 'alpha' | 'rankStabilized'>): number =>
  alpha / (rankStabilized ? Math.sqrt(rank) : rank);

const parts = (settings: LoraSettings, { encoder, base, tasks }: TuningContext): AdapterParts => {
  const { rank, dropout, experts, norms, classes } = settings;
  if (dropout > 0 && experts === 'each') {
    throw new ConfigError(
      `tune: expected no dropout for experts=each, whose products are in the weights that all samples share, got ${dropout}; leave tune.dropout out, or have experts=shared`,
      { fields: { dropout, experts } },
    );
  }
  const adds = lowRankSites(settings, { encoder, base }).flatMap((site): readonly ParameterSpec[] => [
    {
      name: lowRankName(site, 'a'),
      shape: [rank, site.input],
      initializer: { kind: 'uniform', bound: 1 / Math.sqrt(site.input) },
      role: 'weight',
    },
    {
      name: lowRankName(site, 'b'),
      shape: [site.out, rank],
      initializer: { kind: 'zeros' },
      role: 'weight',
    },
  ]);
  return {
    adds,
    ...(norms ? { replaces: isNorm } : {}),
    ...classParts(tasks, () => classes),
  };
};

/** Factors of the inputs: 0 with probability p, else 1 / (1 - p); each sample draws its own. */
const keptInputs = (
  [size, length, width]: readonly [number, number, number],
  { dropout, random }: { readonly dropout: number; readonly random: Random },
  purpose: string,
): tf.Tensor3D => {
  const kept = 1 / (1 - dropout);
  const least = dropout * 2 ** 32;
  const values = new Float32Array(size * length * width);
  for (const [row, stream] of rowRandoms(random, size, purpose).entries()) {
    const end = (row + 1) * length * width;
    for (let i = row * length * width; i < end; i += 1) values[i] = stream.uint32() < least ? 0 : kept;
  }
  return tf.tensor3d(values, [size, length, width]);
};

export const lora: TuningMethod<LoraSettings> = {
  name: 'lora',
  summary:
    'products of two thin matrices beside the linears of blocks (LoRA), which go into the base’s weights',
  settings: loraSettings,
  adapter: {
    parts,
    begin({ settings, parameters }, { random }) {
      const { dropout } = settings;
      const scale = loraScale(settings);
      return {
        linear(x, ref, { prompts }) {
          const pairs = pairsOf(parameters, ref);
          if (pairs.length === 0) return undefined;
          // Deep prompts stand before every sample: what would be dropped of them is no sample's.
          const drops = random !== undefined && dropout > 0 && !prompts;
          const purpose = `dropout ${ref.block} ${ref.linear}`;
          const input = drops ? tf.mul(x, keptInputs(x.shape, { dropout, random }, purpose)) : x;
          return pairOutput(input as tf.Tensor3D, pairs, scale);
        },
        ...(settings.experts === 'each'
          ? {
              expert(plain, ref) {
                const pairs = pairsOf(parameters, ref);
                if (pairs.length === 0) return plain;
                return { ...plain, weight: tf.add(plain.weight, pairWeight(pairs, scale)) as tf.Tensor2D };
              },
            }
          : {}),
      };
    },
    fold: {
      weight({ settings, parameters }, ref) {
        const pairs = pairsOf(parameters, ref);
        return pairs.length === 0 ? undefined : pairWeight(pairs, loraScale(settings));
      },
      rest: (settings) => ({ ...settings, linears: [], norms: false }),
    },
    lowRank: {
      rule: ({ rank, alpha, dropout, rankStabilized }) => ({ rank, alpha, dropout, rankStabilized }),
      factors({ settings, parameters }, ref) {
        const pairs = pairsOf(parameters, ref);
        if (pairs.length === 0) return undefined;
        // One product of n times the rank has the factor that each of n had.
        const grown = settings.rankStabilized ? Math.sqrt(pairs.length) : pairs.length;
        return { ...joinedPairs(pairs), alpha: settings.alpha * grown };
      },
    },
  },
};
