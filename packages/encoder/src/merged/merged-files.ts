/** Merged encoders from model folders: `config.json` with the encoder's configuration, and `model.safetensors`. */
import { createRandom, FormatError, parseJson, StateError } from '@polygate/core';
import { readBytes, type FileSource } from '@polygate/core/files';
import { allocateParameters, loadParameters } from '@polygate/nn';
import { describeMergedEncoder, isMergedConfig, type MergedEncoderConfig } from './merged-config.ts';
import { MergedEncoder } from './merged-encoder.ts';

/** Allocates a merged encoder on the current engine; its values are to be loaded. @throws ConfigError */
export const createMergedEncoder = (config: MergedEncoderConfig): MergedEncoder =>
  new MergedEncoder(config, allocateParameters(describeMergedEncoder(config), createRandom(0)));

/** An exported model by its two files. */
export interface MergedModelFiles {
  /** Path, bytes, text or parsed content of its `config.json`. A text begins with a brace. */
  readonly config: FileSource | object;
  /** Path or bytes of its `model.safetensors`; bytes are borrowed until it is loaded. */
  readonly weights: FileSource;
}

const readConfig = async (path: string): Promise<Uint8Array> =>
  readBytes(path).catch((cause: unknown) => {
    throw new StateError(
      `merged encoder: expected a readable ${path}; give the folder of an exported model, or its files as bytes`,
      { code: 'model-missing', cause },
    );
  });

const parseConfig = async (source: MergedModelFiles['config']): Promise<MergedEncoderConfig> => {
  const isPath = typeof source === 'string' && !source.trimStart().startsWith('{');
  const file = isPath ? source : 'config.json';
  const content = isPath ? await readConfig(source) : source;
  const value =
    typeof content === 'string' || content instanceof Uint8Array
      ? parseJson(content, `merged encoder: ${file}`, { remedy: 'export it anew' })
      : content;
  const { encoder } = (typeof value === 'object' && value !== null ? value : {}) as { encoder?: unknown };
  const config = (encoder ?? value) as MergedEncoderConfig;
  if (typeof config !== 'object' || config === null || !isMergedConfig(config)) {
    throw new FormatError(
      `merged encoder: expected the configuration of a merged encoder in ${file}, got another; write one with polygate export`,
      { fields: { path: file } },
    );
  }
  return config;
};

/**
 * Loads the encoder of an exported model on the current engine: from its folder, or, where there are no folders (a
 * browser, a bucket), from its files.
 * @throws StateError for missing files, FormatError for damaged ones or a model that isn't merged, ConfigError or
 * ShapeError for weights of another configuration
 */
export const loadMergedEncoder = async (model: string | MergedModelFiles): Promise<MergedEncoder> => {
  const { config, weights } =
    typeof model === 'string'
      ? { config: `${model}/config.json`, weights: `${model}/model.safetensors` }
      : model;
  const encoder = createMergedEncoder(await parseConfig(config));
  try {
    await loadParameters(encoder.parameters, weights);
    return encoder;
  } catch (error) {
    encoder.dispose();
    throw error;
  }
};
