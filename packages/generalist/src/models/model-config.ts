/** What a generalist is, as plain JSON: the encoder, its pictures, and the tokenizer that its weights belong to. */
import { excerpt, FormatError, parseJson } from '@polygate/core';
import type { FileDigest } from '@polygate/core/node';
import {
  ENCODER_LIMITS,
  presetNamed,
  type EncoderConfig,
  type EncoderShape,
  type ExpertConfig,
} from '@polygate/encoder';
import type { MergedEncoderConfig } from '@polygate/encoder/merged';
import { resolveImageInput, taskFamilies, type TaskFamily } from '@polygate/tasks';
import { z } from 'zod';
import type { Recipe } from '../recipe.ts';

const whole = (most: number) => z.number().min(1).max(most).int();

/** The condition that has one expert for each task, whatever a preset says. */
const TASK_SPECIFIC = 'task-specific';

/** Side of a model's pictures, pixels. */
const MAX_SIDE = 2 ** 14;
/** Patches of one picture: those of 4096 pixels by 8. */
const MAX_PATCHES = 2 ** 18;

const configSchema = z.object({
  modelType: z.literal('polygate-generalist'),
  version: z.literal(1),
  /** Checked by the encoder when it is made. */
  encoder: z.record(z.string(), z.unknown()),
  image: z.object({
    height: whole(MAX_SIDE),
    width: whole(MAX_SIDE),
    channels: whole(ENCODER_LIMITS.channels),
    fit: z.enum(['contain', 'cover']).optional(),
    background: z.string().optional(),
  }),
  tokenizerHash: z.string(),
  maximumTokens: whole(ENCODER_LIMITS.maxPositions),
  weights: z.object({ bytes: z.number().min(0).int(), sha256: z.string() }).optional(),
  tasks: z
    .array(
      z.object({
        name: z.string(),
        family: z.enum(taskFamilies),
        dataset: z.string(),
        classes: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});

/** A task that a model was trained on. */
export interface TrainedTask {
  readonly name: string;
  readonly family: TaskFamily;
  readonly dataset: string;
  /** Names of the classes in label order, of a classification. Models of older versions don't say. */
  readonly classes?: readonly string[];
}

/** Pictures of a model: their sizes in pixels, and how they are made of files that are not of that size. */
export interface ModelImage {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** `contain` keeps the whole picture, `cover` crops. @default 'contain'; models of older versions don't say */
  readonly fit?: 'contain' | 'cover';
  /** Colour under transparent parts and beside the picture, as CSS. @default '#ffffff' */
  readonly background?: string;
}

/** A model with the encoder of configuration `E`: with its experts, dense, or with merged ones. */
export interface GeneralistConfig<E extends EncoderShape = EncoderConfig | MergedEncoderConfig> {
  readonly encoder: E;
  /** Pictures that the model was trained on. */
  readonly image: ModelImage;
  /** SHA-256 of the tokenizer.json whose ids the embeddings belong to. */
  readonly tokenizerHash: string;
  /** Longest caption, end token included. @default 50 */
  readonly maximumTokens?: number;
  /** What it was trained on; predictions serve one of these tasks. @default unknown */
  readonly tasks?: readonly TrainedTask[];
}

const defined = <T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };

/** Text of a config.json. @param weights what the file of weights beside it is known by, where nothing else says it */
export const serializeConfig = (config: GeneralistConfig, weights?: FileDigest): string =>
  `${JSON.stringify(
    {
      modelType: 'polygate-generalist',
      version: 1,
      encoder: config.encoder,
      image: config.image,
      tokenizerHash: config.tokenizerHash,
      maximumTokens: config.maximumTokens ?? 50,
      ...(config.tasks ? { tasks: config.tasks } : {}),
      ...(weights ? { weights: { bytes: weights.bytes, sha256: weights.sha256 } } : {}),
    },
    null,
    2,
  )}\n`;

/**
 * Text of a preprocessor_config.json: how a picture becomes what the model sees, under the names that image processors
 * of Hugging Face give it, for programs that read the weights elsewhere. The model itself goes by its config.json.
 */
export const serializePreprocessor = ({ image }: GeneralistConfig): string => {
  const { height, width, channels, fit = 'contain', background = '#ffffff' } = image;
  const { mean, std } = resolveImageInput({ height, width, channels, patch: 1 });
  return `${JSON.stringify(
    {
      do_convert_rgb: channels === 3,
      do_resize: true,
      size: { height, width },
      /** Lanczos, as Pillow counts its filters. */
      resample: 1,
      fit,
      background,
      do_rescale: true,
      rescale_factor: 1 / 255,
      do_normalize: true,
      image_mean: mean,
      image_std: std,
    },
    null,
    2,
  )}\n`;
};

/** Reads a config.json, as text or bytes. @throws FormatError naming the field that does not fit */
export const parseConfig = (
  source: string | Uint8Array,
  path: string,
): GeneralistConfig & { readonly weights?: FileDigest } => {
  const value = parseJson(source, `model config ${path}`, { remedy: 'is it a model folder?' });
  const result = configSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new FormatError(
      `model config ${path}: expected a Polygate model: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}; give the folder of a checkpoint or of a saved model`,
      { fields: { path } },
    );
  }
  const { encoder, image, tokenizerHash, maximumTokens, tasks, weights } = result.data;
  const { size } = (encoder['patch'] ?? {}) as { readonly size?: unknown };
  const side = typeof size === 'number' ? size : Number.NaN;
  const patches = Math.floor(image.height / side) * Math.floor(image.width / side);
  if (!(patches >= 1 && patches <= MAX_PATCHES)) {
    throw new FormatError(
      `model config ${path}: expected pictures of 1 to ${MAX_PATCHES} patches, got ${image.width}x${image.height} pixels by patches of ${excerpt(size)}; restore the file or export the model anew`,
      { fields: { path } },
    );
  }
  return {
    encoder: encoder as unknown as GeneralistConfig['encoder'],
    image: defined(image),
    tokenizerHash,
    maximumTokens,
    ...(tasks ? { tasks: tasks.map(defined) } : {}),
    ...(weights ? { weights } : {}),
  };
};

/** The experts of a recipe over those of its preset. Another condition starts from that condition's own numbers. */
const expertsOf = (
  own: Recipe['model']['moe'],
  preset: ExpertConfig | undefined,
  tasks: readonly string[],
): ExpertConfig | undefined => {
  if (own === null || (own === undefined && preset === undefined)) return undefined;
  const { experts, topK, ...base } = preset ?? {};
  const numbers = own?.condition === TASK_SPECIFIC ? {} : defined({ experts, topK });
  const { capacityFactor, ...settings } = own ?? {};
  const capacity = typeof capacityFactor === 'object' ? defined(capacityFactor) : capacityFactor;
  return {
    ...base,
    ...numbers,
    ...defined(settings),
    ...(capacity === undefined ? {} : { capacityFactor: capacity }),
    ...(tasks.length > 0 ? { tasks } : {}),
  };
};

/**
 * The encoder that a recipe asks for: its preset with the recipe's own settings over it.
 * @param sizes what the data decide: the vocabulary, the pictures' channels, and the names of the tasks, which experts
 * may be chosen by
 * @throws ConfigError for an unknown preset
 */
export const encoderOf = (
  model: Recipe['model'],
  sizes: { readonly vocabularySize: number; readonly channels: number; readonly tasks?: readonly string[] },
): EncoderConfig => {
  const { preset, patchSize, moe, ...own } = model;
  const { moe: presetMoe, ...base } = presetNamed(preset);
  const experts = expertsOf(moe, presetMoe, sizes.tasks ?? []);
  return {
    ...base,
    ...defined(own),
    vocabularySize: sizes.vocabularySize,
    prefixToken: sizes.vocabularySize - 2,
    patch: { size: patchSize ?? base.patch.size, channels: sizes.channels },
    ...(experts ? { moe: experts } : {}),
  };
};
