/** Architectures by name: those of this package and those that other packages register. */
import { createRegistry } from '@polygate/core';
import { modelShape, type ModelArchitecture } from './architecture.ts';
import type { ModelConfig } from './model-config.ts';
import { sm4 } from './sm4/sm4.ts';
import { uniPerceiver } from './uni-perceiver/uni-perceiver.ts';

const registry = createRegistry<ModelArchitecture>(
  'model',
  [uniPerceiver as ModelArchitecture, sm4 as unknown as ModelArchitecture],
  modelShape,
);

/**
 * Makes an architecture known under its name, for the whole process. Call it before recipes and models that name it are
 * read; the command line does so for the modules of `extensions`.
 * @returns the record
 * @throws ConfigError when the name is taken, or (code `record`) a field is not as a model's
 */
export const registerModel = <Config extends ModelConfig, Settings extends object>(
  record: ModelArchitecture<Config, Settings>,
): ModelArchitecture<Config, Settings> => {
  registry.register(record as unknown as ModelArchitecture);
  return record;
};

/** The architecture of a name. @throws ConfigError listing the known names */
export const modelNamed = (name: string): ModelArchitecture => registry.named(name);

/** All architectures, those of this package first. */
export const modelRecords = (): readonly ModelArchitecture[] => registry.all();

/** Names of all architectures, those of this package first. */
export const modelNames = (): readonly string[] => registry.names();
