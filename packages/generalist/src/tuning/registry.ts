/** Tuning methods by name: those of this package and those that other packages register. */
import { ConfigError, createRegistry } from '@polygate/core';
import { z } from 'zod';
import { share } from '../number-settings.ts';
import { fineTuning } from './methods/fine.ts';
import { lora } from './methods/lora.ts';
import { promptTuning } from './methods/prompt.ts';
import { tuningMethodShape, type TuningMethod } from './tuning-method.ts';

const registry = createRegistry<TuningMethod>(
  'tuning method',
  [
    promptTuning as unknown as TuningMethod,
    lora as unknown as TuningMethod,
    fineTuning as unknown as TuningMethod,
  ],
  tuningMethodShape,
);

/**
 * Makes a tuning method known under its name, for the whole process. Call it before recipes that name it are read.
 * @returns the record
 * @throws ConfigError when the name is taken, or (code `record`) a field is not as a method's
 */
export const registerTuningMethod = <Settings extends object>(
  method: TuningMethod<Settings>,
): TuningMethod<Settings> => {
  registry.register(method as unknown as TuningMethod);
  return method;
};

/** The method of a name. @throws ConfigError listing the registered names */
export const tuningMethodNamed = (name: string): TuningMethod => registry.named(name);

/** Names of all methods, those of this package first. */
export const tuningMethodNames = (): readonly string[] => registry.names();

/** What a recipe may say of every method. */
const shared = {
  /** Drop path while it is tuned. @default the base's own */
  dropPath: share.optional(),
  /** Noise of the routers stays on while it is tuned, as published; without it frozen experts are merged once. */
  noise: z.boolean().default(true),
} as const;

/** `tune` of a recipe, with everything filled in. */
export interface TuneSettings {
  /** Name of its record. */
  readonly method: string;
  readonly dropPath?: number | undefined;
  readonly noise: boolean;
  readonly [setting: string]: unknown;
}

/** What a recipe may write of it. */
export interface TuneInput {
  readonly method: string;
  readonly dropPath?: number | undefined;
  readonly noise?: boolean | undefined;
  readonly [setting: string]: unknown;
}

/** Schema of `tune` in recipes: one choice for each method that is registered. */
export const tuneSchema = (): z.ZodType<TuneSettings, TuneInput> => {
  const [first, ...others] = registry
    .all()
    .map(({ name, settings }) => z.strictObject({ method: z.literal(name), ...shared, ...settings }));
  if (!first) throw new ConfigError('tuning methods: expected one or more, got none; register one');
  return z.discriminatedUnion('method', [first, ...others]) as unknown as z.ZodType<TuneSettings, TuneInput>;
};
