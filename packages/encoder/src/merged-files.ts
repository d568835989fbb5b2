/** Merged encoders from model folders: `config.json` with the encoder's configuration, and `model.safetensors`. */
import { createRandom, FormatError, parseJson, StateError } from '@polygate/core';
import { allocateParameters, loadParameters } from '@polygate/nn';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeMergedEncoder, isMergedConfig, type MergedEncoderConfig } from './merged-config.ts';
import { MergedEncoder } from './merged-encoder.ts';

/** Allocates a merged encoder on the current engine; its values are to be loaded. @throws ConfigError */
export const createMergedEncoder = (config: MergedEncoderConfig): MergedEncoder =>
  new MergedEncoder(config, allocateParameters(describeMergedEncoder(config), createRandom(0)));

const readConfig = async (path: string): Promise<MergedEncoderConfig> => {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new StateError(
      `merged encoder: expected a readable ${path}; give the folder of an exported model`,
      {
        code: 'model-missing',
        cause,
      },
    );
  });
  const value = parseJson(bytes, `merged encoder: ${path}`, { remedy: 'export it anew' });
  const { encoder } = (typeof value === 'object' && value !== null ? value : {}) as { encoder?: unknown };
  const config = (encoder ?? value) as MergedEncoderConfig;
  if (typeof config !== 'object' || config === null || !isMergedConfig(config)) {
    throw new FormatError(
      `merged encoder: expected the configuration of a merged encoder in ${path}, got another; write one with polygate export`,
      { fields: { path } },
    );
  }
  return config;
};

/**
 * Loads the encoder of an exported model folder on the current engine.
 * @throws StateError for missing files, FormatError for damaged ones or a model that isn't merged, ConfigError or
 * ShapeError for weights of another configuration
 */
export const loadMergedEncoder = async (folder: string): Promise<MergedEncoder> => {
  const encoder = createMergedEncoder(await readConfig(join(folder, 'config.json')));
  try {
    await loadParameters(encoder.parameters, join(folder, 'model.safetensors'));
    return encoder;
  } catch (error) {
    encoder.dispose();
    throw error;
  }
};
