/** config.json and preprocessor_config.json of a model folder: what a model is, as text. */
import { checkSettings, FormatError, parseJson } from '@polygate/core';
import { recordExtensions, type FileDigest } from '@polygate/core/node';
import { ENCODER_LIMITS } from '@polygate/encoder';
import { resolveImageInput } from '@polygate/modalities';
import { z } from 'zod';
import { count } from '../number-settings.ts';
import { tuneSchema } from '../tuning/registry.ts';
import { defined } from './defined.ts';
import { FIRST_ARCHITECTURE, type ModelConfig } from './model-config.ts';
import { modelNamed } from './registry.ts';

/** Side of a model's images, pixels. */
const MAX_SIDE = 2 ** 14;

/** A task that a model was trained on. */
export const taskShape = z.object({
  name: z.string(),
  family: z.string(),
  dataset: z.string(),
  classes: z.array(z.string()).optional(),
  settings: z.record(z.string(), z.unknown()).optional(),
});

/** What every config.json has; the architecture adds its own fields. */
const commonShape = {
  modelType: z.literal('polygate-generalist'),
  version: z.literal(1),
  architecture: z.string().optional(),
  image: z.object({
    height: count(MAX_SIDE),
    width: count(MAX_SIDE),
    channels: count(ENCODER_LIMITS.channels),
    fit: z.enum(['contain', 'cover']).optional(),
    background: z.string().optional(),
  }),
  tokenizerHash: z.string(),
  /** Modules that register what it is made of. */
  extensions: z
    .array(z.union([z.string(), z.looseObject({ module: z.string() })]))
    .transform((all) => all.map((each) => (typeof each === 'string' ? each : each.module)))
    .optional(),
  maximumTokens: count(ENCODER_LIMITS.maxPositions),
  weights: z.object({ bytes: z.number().min(0).int(), sha256: z.string() }).optional(),
  /** The weights that it was exported from. */
  exportedFrom: z.object({ sha256: z.string() }).optional(),
  /** What the model knows beside its weights, where no state.json says it. */
  state: z.unknown().optional(),
  tasks: z.array(taskShape).optional(),
  /** How it was tuned, by the method's own schema. */
  adapter: z.record(z.string(), z.unknown()).optional(),
};

/** What a saved model has in its config.json beside its configuration; a checkpoint says it in its state.json. */
export interface SavedWith {
  /** What the file of weights is known by. */
  readonly weights?: FileDigest;
  /** The model's extra state. */
  readonly state?: unknown;
  /** SHA-256 of the weights that it was exported from: adapters on those are on these, too. */
  readonly source?: string;
}

/**
 * Text of a config.json.
 * @param folder that it will lie in, which paths of extensions are counted from. @default they stay as they are
 * @throws ConfigError for an architecture that is not registered
 */
export const serializeConfig = (config: ModelConfig, saved: SavedWith = {}, folder?: string): string => {
  const {
    architecture = FIRST_ARCHITECTURE,
    image,
    tokenizerHash,
    maximumTokens = 50,
    tasks,
    adapter,
    extensions = [],
  } = config;
  const { weights, state, source } = saved;
  const fields = Object.keys(modelNamed(architecture).config);
  const entries = fields.map((field) => [field, (config as unknown as Record<string, unknown>)[field]]);
  return `${JSON.stringify(
    {
      modelType: 'polygate-generalist',
      version: 1,
      ...(architecture === FIRST_ARCHITECTURE ? {} : { architecture }),
      ...Object.fromEntries(entries),
      image,
      tokenizerHash,
      maximumTokens,
      ...(extensions.length > 0
        ? { extensions: folder === undefined ? extensions : recordExtensions(extensions, folder) }
        : {}),
      ...(tasks ? { tasks } : {}),
      ...(adapter ? { adapter } : {}),
      ...(weights ? { weights: { bytes: weights.bytes, sha256: weights.sha256 } } : {}),
      ...(source === undefined ? {} : { exportedFrom: { sha256: source } }),
      ...(state === undefined ? {} : { state }),
    },
    null,
    2,
  )}\n`;
};

/**
 * Text of a preprocessor_config.json: how an image becomes what the model sees, under the names that image processors
 * of Hugging Face give it, for programs that read the weights elsewhere. The model itself goes by its config.json.
 */
export const serializePreprocessor = ({ image }: ModelConfig): string => {
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

const named = (value: unknown): string => {
  const architecture = (value as { readonly architecture?: unknown } | null)?.architecture;
  return typeof architecture === 'string' ? architecture : FIRST_ARCHITECTURE;
};

/**
 * Reads a config.json, as text or bytes.
 * @throws FormatError naming the field that does not fit; ConfigError for an architecture that is not registered
 */
export const parseConfig = (
  source: string | Uint8Array,
  path: string,
): { readonly config: ModelConfig; readonly saved: SavedWith } => {
  const value = parseJson(source, `model config ${path}`, { remedy: 'is it a model folder?' });
  const record = modelNamed(named(value));
  const result = z.object({ ...commonShape, ...record.config }).safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new FormatError(
      `model config ${path}: expected a Polygate model: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}; give the folder of a checkpoint or of a saved model`,
      { fields: { path } },
    );
  }
  const {
    modelType: _,
    version: __,
    weights,
    state,
    image,
    tasks,
    adapter: tuned,
    exportedFrom,
    ...rest
  } = result.data;
  const adapter = tuned && checkSettings(tuneSchema(), tuned, `model config ${path}: adapter`);
  const config = defined({
    ...rest,
    image: defined(image),
    tasks: tasks?.map(defined),
    adapter,
  }) as ModelConfig;
  const problem = record.problemOf?.(config);
  const saved = {
    ...(weights ? { weights } : {}),
    ...(exportedFrom ? { source: exportedFrom.sha256 } : {}),
    state,
  };
  if (problem === undefined) return { config, saved };
  throw new FormatError(
    `model config ${path}: expected ${problem.expected}, got ${problem.got}; restore the file or export the model anew`,
    { fields: { path } },
  );
};
