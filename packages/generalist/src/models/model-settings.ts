/** `model` of a recipe: the name of an architecture, and what its record lets a recipe say. */
import { ConfigError } from '@polygate/core';
import { z } from 'zod';
import type { ModelArchitecture, ModelData } from './architecture.ts';
import { FIRST_ARCHITECTURE, type ModelConfig } from './model-config.ts';
import { modelNamed, modelRecords } from './registry.ts';
import type { sm4Settings } from './sm4/settings.ts';
import type { uniPerceiverSettings } from './uni-perceiver/settings.ts';

/**
 * What the architectures of this package let a recipe say, by name. Packages that register others may merge theirs into
 * this interface.
 */
export interface NamedModelSettings {
  readonly 'uni-perceiver': typeof uniPerceiverSettings;
  readonly sm4: typeof sm4Settings;
}

/** Recipes of older versions name no architecture, and mean the first. */
type NameOf<Name> = Name extends typeof FIRST_ARCHITECTURE
  ? { readonly architecture?: Name | undefined }
  : { readonly architecture: Name };

/** Checked settings of a model, with their defaults. */
export type ModelSettings = {
  [Name in keyof NamedModelSettings]: NameOf<Name> &
    Readonly<z.output<z.ZodObject<NamedModelSettings[Name]>>>;
}[keyof NamedModelSettings];

/** What a recipe may say of a model. */
export type ModelSettingsInput = {
  [Name in keyof NamedModelSettings]: NameOf<Name> & Readonly<z.input<z.ZodObject<NamedModelSettings[Name]>>>;
}[keyof NamedModelSettings];

const optionOf = ({ name, settings }: ModelArchitecture) => {
  const architecture = z.literal(name);
  return z.strictObject({
    // Recipes of older versions name none.
    architecture: name === FIRST_ARCHITECTURE ? architecture.optional() : architecture,
    ...settings,
  });
};

/** The schema of `model` in recipes: a choice among all architectures that are registered now. */
export const modelSettingsSchema = (): z.ZodType<ModelSettings, ModelSettingsInput> => {
  const [first, ...others] = modelRecords().map(optionOf);
  if (!first) throw new ConfigError('models: expected one architecture or more, got none; register one');
  return z.discriminatedUnion('architecture', [first, ...others]) as unknown as z.ZodType<
    ModelSettings,
    ModelSettingsInput
  >;
};

/** The record of settings, of a configuration. @throws ConfigError listing the known architectures */
export const architectureOf = ({
  architecture = FIRST_ARCHITECTURE,
}: {
  readonly architecture?: string | undefined;
}): ModelArchitecture => modelNamed(architecture);

/**
 * The configuration of the model that settings ask for; nothing is allocated.
 * @param settings `model` of a parsed recipe
 * @throws ConfigError for an architecture that is not registered, or settings that make no model
 */
export const configureModel = (settings: ModelSettings, data: ModelData): ModelConfig => {
  const { architecture = FIRST_ARCHITECTURE, ...rest } = settings;
  const config = modelNamed(architecture).configure(rest, data);
  return architecture === FIRST_ARCHITECTURE ? config : { ...config, architecture };
};

/** Patches of data that are not there yet, where an architecture says nothing. */
const STAND_IN = { vocabularySize: 4096, image: { height: 224, width: 224, channels: 3 } } as const;

/** Data for estimates before there are any: the sizes that the architecture's settings were made for. */
export const standInData = (settings: ModelSettings, tasks: ModelConfig['tasks']): ModelData => {
  const sizes = architectureOf(settings).standIn?.(settings) ?? STAND_IN;
  return { ...sizes, tokenizerHash: '', ...(tasks ? { tasks } : {}) };
};
