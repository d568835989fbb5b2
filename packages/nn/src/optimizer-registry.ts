/** Optimizers by name: those of this package and those that others register. */
import { call, createRegistry, listOf, ruleOf, rules, shaped, type RecordShape } from '@polygate/core';
import { z } from 'zod';
import { adamWOptimizer } from './adamw.ts';
import type { Optimizer, OptimizerOptions } from './optimizer.ts';
import { layerDecayGroups, type ParameterGroup } from './parameter-groups.ts';
import type { ParameterRole } from './parameter-spec.ts';
import type { ParameterSet } from './parameters.ts';
import { settingRanges } from './optimizer-settings.ts';
import { sgdOptimizer } from './sgd.ts';

/** An optimizer, as recipes name it. */
export interface OptimizerRecord<Settings extends object = object> {
  readonly name: string;
  readonly summary: string;
  /** Schema of its settings, with defaults; `learningRate` is among them. A zod object. */
  readonly settings: z.ZodObject;
  /** Names of the tensors of a parameter's shape that it keeps of each that is updated, for estimates of memory. */
  slots(settings: Settings): readonly string[];
  create(parameters: ParameterSet, options: Settings & OptimizerOptions): Optimizer;
}

/** What the fields of an {@link OptimizerRecord} must be. */
const optimizerShape: RecordShape<OptimizerRecord<never>> = {
  settings: ruleOf(
    'a zod object with the setting learningRate',
    (value) =>
      rules.schema(value) === undefined &&
      Object.hasOwn((value as { readonly shape?: object }).shape ?? {}, 'learningRate'),
  ),
  slots: call(listOf(rules.text)),
  create: call(
    shaped({
      name: rules.text,
      parameters: rules.record,
      step: rules.function,
      state: rules.function,
      restore: rules.function,
      save: rules.function,
      load: rules.function,
      dispose: rules.function,
    }),
  ),
};

const optimizers = createRegistry<OptimizerRecord<never>>(
  'optimizer',
  [adamWOptimizer, sgdOptimizer],
  optimizerShape,
);

/**
 * Makes an optimizer known under its name, for the whole process.
 * @throws ConfigError when the name is taken, or (code `record`) a field is not as an optimizer's
 */
export const registerOptimizer = optimizers.register;
/** The record of a name. @throws ConfigError listing the registered names */
export const optimizerNamed = optimizers.named;
/** Names of all optimizers, those of this package first. */
export const optimizerNames = optimizers.names;

const roles = [
  'weight',
  'bias',
  'norm',
  'embedding',
  'gate',
  'temperature',
  'scale',
] as const satisfies readonly ParameterRole[];

const pattern = z.string().min(1);
const group = z.strictObject({
  /** Names or patterns: `blocks.*.ffn.*`. */
  names: z.array(pattern).min(1).optional(),
  roles: z.array(z.enum(roles)).min(1).optional(),
  except: z.array(pattern).optional(),
  /** Factor of the learning rate. */
  rate: settingRanges.amount.optional(),
  weightDecay: settingRanges.amount.optional(),
});

/** What a recipe may say of every optimizer, beside its own settings. */
const shared = {
  /** Largest global norm of the gradients; null does not clip. */
  clipNorm: z.number().positive().max(1e12).nullable().default(0.5),
  /** Parameters with rates or weight decay of their own. @default none */
  groups: z.array(group).optional(),
  /** Factor of the rate from one layer to the one below. @default the same rate for all */
  layerDecay: z.number().positive().max(1).optional(),
} as const;

/** An optimizer as a recipe has it, with everything filled in. */
export interface OptimizerSettings {
  /** Name of its record. */
  readonly kind: string;
  readonly learningRate: number;
  readonly clipNorm: number | null;
  readonly groups?: readonly ParameterGroup[] | undefined;
  readonly layerDecay?: number | undefined;
  readonly [setting: string]: unknown;
}

/** What a recipe may write of an optimizer. */
export interface OptimizerInput {
  readonly kind?: string | undefined;
  readonly learningRate?: number | undefined;
  readonly clipNorm?: number | null | undefined;
  readonly groups?: readonly ParameterGroup[] | undefined;
  readonly layerDecay?: number | undefined;
  readonly [setting: string]: unknown;
}

/** Schema of the optimizer of a recipe: one choice for each that is registered. @default AdamW */
export const optimizerSchema = (): z.ZodType<OptimizerSettings, OptimizerInput> => {
  const [first, ...others] = optimizers.all().map(({ name, settings }) => {
    const kind = z.literal(name);
    return z.strictObject({
      kind: name === adamWOptimizer.name ? kind.default(name) : kind,
      ...settings.shape,
      ...shared,
    });
  });
  if (!first) throw new RangeError('internal: the registry of optimizers is empty');
  return z.discriminatedUnion('kind', [first, ...others]) as unknown as z.ZodType<
    OptimizerSettings,
    OptimizerInput
  >;
};

const recordOf = (kind: string) =>
  optimizers.named(kind) as OptimizerRecord<Readonly<Record<string, unknown>>>;

/** Tensors of a parameter's shape that an optimizer keeps of each, such as two moments. @throws ConfigError for an unknown kind */
export const optimizerSlots = ({ kind, ...settings }: OptimizerSettings): readonly string[] =>
  recordOf(kind).slots(settings);

/**
 * The optimizer that a recipe asks for.
 * @throws ConfigError for an unknown kind, a setting out of range, or a group that selects no parameter
 */
export const createOptimizer = (parameters: ParameterSet, settings: OptimizerSettings): Optimizer => {
  const { kind, clipNorm: _, groups = [], layerDecay, ...general } = settings;
  const layers = layerDecay === undefined ? [] : layerDecayGroups(parameters.specs, { decay: layerDecay });
  return recordOf(kind).create(parameters, { ...general, groups: [...layers, ...groups] });
};
