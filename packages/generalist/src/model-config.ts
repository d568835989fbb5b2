/** What a generalist is, as plain JSON: the encoder, its pictures, and the tokenizer that its weights belong to. */
import { FormatError } from '@polygate/core';
import { presetNamed, type EncoderConfig } from '@polygate/encoder';
import { z } from 'zod';
import type { Recipe } from './recipe.ts';

const whole = z.number().int().min(1);

const configSchema = z.object({
  modelType: z.literal('polygate-generalist'),
  version: z.literal(1),
  /** Checked by the encoder when it is made. */
  encoder: z.record(z.string(), z.unknown()),
  image: z.object({ height: whole, width: whole, channels: whole }),
  tokenizerHash: z.string(),
  maximumTokens: whole,
});

export interface GeneralistConfig {
  readonly encoder: EncoderConfig;
  /** Pictures that the model was trained on, in pixels. */
  readonly image: { readonly height: number; readonly width: number; readonly channels: number };
  /** SHA-256 of the tokenizer.json whose ids the embeddings belong to. */
  readonly tokenizerHash: string;
  /** Longest caption, end token included. @default 50 */
  readonly maximumTokens?: number;
}

/** Text of a config.json. */
export const serializeConfig = (config: GeneralistConfig): string =>
  `${JSON.stringify(
    {
      modelType: 'polygate-generalist',
      version: 1,
      encoder: config.encoder,
      image: config.image,
      tokenizerHash: config.tokenizerHash,
      maximumTokens: config.maximumTokens ?? 50,
    },
    null,
    2,
  )}\n`;

/** Reads a config.json's text. @throws FormatError naming the field that does not fit */
export const parseConfig = (text: string, path: string): GeneralistConfig => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError(
      `model config ${path}: expected JSON, got text that does not parse; is it a model folder?`,
      {
        cause,
      },
    );
  }
  const result = configSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new FormatError(
      `model config ${path}: expected a Polygate model: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}; give the folder of a checkpoint or of a saved model`,
      { fields: { path } },
    );
  }
  const { encoder, image, tokenizerHash, maximumTokens } = result.data;
  return { encoder: encoder as unknown as EncoderConfig, image, tokenizerHash, maximumTokens };
};

const defined = <T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };

/**
 * The encoder that a recipe asks for: its preset with the recipe's own settings over it.
 * @throws ConfigError for an unknown preset
 */
export const encoderOf = (
  model: Recipe['model'],
  sizes: { readonly vocabularySize: number; readonly channels: number },
): EncoderConfig => {
  const { preset, patchSize, moe, ...own } = model;
  const { moe: presetMoe, ...base } = presetNamed(preset);
  const experts = moe === null ? undefined : moe ? { ...presetMoe, ...defined(moe) } : presetMoe;
  return {
    ...base,
    ...defined(own),
    vocabularySize: sizes.vocabularySize,
    prefixToken: sizes.vocabularySize - 2,
    patch: { size: patchSize ?? base.patch.size, channels: sizes.channels },
    ...(experts ? { moe: experts } : {}),
  };
};
