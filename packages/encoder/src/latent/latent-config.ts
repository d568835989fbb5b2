/** What defines an encoder of latents. Plain JSON. */
import { check, checkFields, checkWhole } from '@polygate/modalities';
import type { BlockShape } from '../blocks/body-description.ts';
import { blockLinears } from '../blocks/linears.ts';
import { resolveExperts, type ExpertConfig, type ResolvedExperts } from '../config/expert-config.ts';
import { ENCODER_LIMITS } from '../config/limits.ts';
import { codeWidth, type FourierCoding } from './fourier-codes.ts';

/** Tokens of a modality before they are brought to the common width. */
export interface LatentInput {
  /** Values of a token, at most. */
  readonly width: number;
  /** Axes of its positions, at most. */
  readonly axes: number;
}

/** An encoder of latents. */
export interface LatentEncoderConfig extends Partial<FourierCoding> {
  /** Modalities by name, in the order of their one-hot codes. */
  readonly inputs: Readonly<Record<string, LatentInput>>;
  /** Channels C of a latent. @default 64 */
  readonly width?: number;
  /** Latents N of a modality. @default 12 */
  readonly latents?: number;
  /** Heads of the cross-attention of latents to tokens. @default 1 */
  readonly crossHeads?: number;
  /** Channels of each of those heads. @default 64 */
  readonly crossHeadWidth?: number;
  /** Self-attention layers of the latents of one modality. @default 1 */
  readonly latentLayers?: number;
  /** Their heads. @default 8 */
  readonly latentHeads?: number;
  /** Channels of each of those heads. @default 64 */
  readonly latentHeadWidth?: number;
  /** Hidden channels of the feed-forward parts of the unimodal encoder. @default 4 width */
  readonly latentHidden?: number;
  /** Blocks over the latents of all modalities. @default 1 */
  readonly layers?: number;
  /** Heads of their attention. @default 8 */
  readonly heads?: number;
  /** Hidden channels of their feed-forward part, and of its experts. @default 2 width */
  readonly hidden?: number;
  /** Names of the tasks, for routers that look at them. @default none */
  readonly tasks?: readonly string[];
  /** Experts of the blocks, as of an encoder. @default dense blocks */
  readonly moe?: Omit<ExpertConfig, 'tasks' | 'modalities' | 'attributes'>;
  /**
   * How the latents of a sample's modalities meet: one after another in a sequence, so that they attend to each other, or
   * each modality alone as samples of its own (an ablation). @default 'sequence'
   */
  readonly join?: 'sequence' | 'batch';
  /** What a modality's latents become: their mean, or the last one. @default 'mean' */
  readonly pooling?: 'mean' | 'last';
}

/** A checked configuration with nothing left open. */
export interface ResolvedLatentConfig extends Required<Omit<LatentEncoderConfig, 'moe'>> {
  readonly moe?: ResolvedExperts;
}

/** What the blocks over all latents are. */
export const blockShapeOf = ({
  width,
  hidden,
}: Pick<ResolvedLatentConfig, 'width' | 'hidden'>): BlockShape => ({
  width,
  hidden,
  splitAttention: true,
  layerScale: undefined,
});

/** The common width D of tokens: max over modalities of (values + position code), and one flag for each modality. */
export const tokenWidth = ({ inputs, bands }: Pick<ResolvedLatentConfig, 'inputs' | 'bands'>): number => {
  const all = Object.values(inputs);
  return Math.max(...all.map(({ width, axes }) => width + codeWidth(axes, { bands }))) + all.length;
};

const sizes = {
  width: ENCODER_LIMITS.width,
  latents: ENCODER_LIMITS.maxPositions,
  crossHeads: ENCODER_LIMITS.heads,
  crossHeadWidth: ENCODER_LIMITS.width,
  latentLayers: ENCODER_LIMITS.layers,
  latentHeads: ENCODER_LIMITS.heads,
  latentHeadWidth: ENCODER_LIMITS.width,
  latentHidden: ENCODER_LIMITS.hidden,
  layers: ENCODER_LIMITS.layers,
  heads: ENCODER_LIMITS.heads,
  hidden: ENCODER_LIMITS.hidden,
  bands: ENCODER_LIMITS.width,
} as const;

const checkInputs = (inputs: LatentEncoderConfig['inputs']): void => {
  check(Object.keys(inputs).length > 0, 'inputs', ['to name one modality or more', 'none']);
  for (const [name, input] of Object.entries(inputs)) {
    checkFields(input, `inputs.${name}`, { width: 'number', axes: 'number' });
    checkWhole(`inputs.${name}.width`, input.width, { most: ENCODER_LIMITS.hidden });
    checkWhole(`inputs.${name}.axes`, input.axes, { most: 8 });
  }
};

/**
 * Fills in the defaults and checks the whole. What it gives may be given again.
 * @throws ConfigError naming the field, what it expects and what it got
 */
export const resolveLatentConfig = (config: LatentEncoderConfig): ResolvedLatentConfig => {
  const { moe, width = 64, ...rest } = config;
  const resolved = {
    width,
    latents: 12,
    crossHeads: 1,
    crossHeadWidth: 64,
    latentLayers: 1,
    latentHeads: 8,
    latentHeadWidth: 64,
    latentHidden: 4 * width,
    layers: 1,
    heads: 8,
    hidden: 2 * width,
    bands: 6,
    maximalFrequency: 10,
    tasks: [],
    join: 'sequence',
    pooling: 'mean',
    ...rest,
  } as const;
  checkFields(resolved, '', {
    inputs: 'object',
    ...Object.fromEntries(Object.keys(sizes).map((field) => [field, 'number' as const])),
  });
  checkInputs(resolved.inputs);
  for (const [field, most] of Object.entries(sizes)) {
    checkWhole(field, resolved[field as keyof typeof sizes], { most });
  }
  check(width % resolved.heads === 0, 'heads', [`to divide width (${width})`, resolved.heads]);
  check(resolved.maximalFrequency >= 2 && resolved.maximalFrequency < Infinity, 'maximalFrequency', [
    'to be at least 2',
    resolved.maximalFrequency,
  ]);
  check(['sequence', 'batch'].includes(resolved.join), 'join', ['to be sequence or batch', resolved.join]);
  check(['mean', 'last'].includes(resolved.pooling), 'pooling', ['to be mean or last', resolved.pooling]);
  if (!moe) return Object.freeze(resolved);
  return Object.freeze({
    ...resolved,
    moe: resolveExperts(
      { ...moe, tasks: resolved.tasks },
      {
        layers: resolved.layers,
        linears: blockLinears(blockShapeOf(resolved)),
        modalities: Object.keys(resolved.inputs),
      },
    ),
  });
};
