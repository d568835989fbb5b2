/** Task families by name: those of this package and those that other packages register. */
import { ConfigError, createRegistry, unknownName } from '@polygate/core';
import { kindNames } from '@polygate/datasets';
import { modalityNames, registeredModalities } from '@polygate/modalities';
import { z } from 'zod';
import { taskFamilyShape, type SettingFields, type TaskFamily, type TaskSegment } from './family.ts';
import { imageCaptioning } from './image-captioning/family.ts';
import { imageClassification } from './image-classification/family.ts';
import { imageTextRetrieval } from './image-text-retrieval/family.ts';
import { maskedLanguageModelling } from './masked-language-modelling/family.ts';
import { multimodalClassification } from './multimodal/classification.ts';
import { multimodalLabelling } from './multimodal/labelling.ts';
import { multimodalRegression } from './multimodal/regression.ts';
import { textClassification } from './text-classification/family.ts';
import { videoCaptioning } from './video-captioning/family.ts';
import { videoClassification } from './video-classification/family.ts';
import { videoTextRetrieval } from './video-text-retrieval/family.ts';
import type { FamilyPredictor } from './predictor.ts';
import { commonSettings } from './settings.ts';

/** The families of this package by name. Packages that register others may merge theirs into this interface. */
export interface NamedTaskFamilies {
  readonly 'image-classification': typeof imageClassification;
  readonly 'masked-language-modelling': typeof maskedLanguageModelling;
  readonly 'image-captioning': typeof imageCaptioning;
  readonly 'image-text-retrieval': typeof imageTextRetrieval;
  readonly 'video-classification': typeof videoClassification;
  readonly 'text-classification': typeof textClassification;
  readonly 'video-captioning': typeof videoCaptioning;
  readonly 'video-text-retrieval': typeof videoTextRetrieval;
  readonly 'multimodal-classification': typeof multimodalClassification;
  readonly 'multimodal-labelling': typeof multimodalLabelling;
  readonly 'multimodal-regression': typeof multimodalRegression;
}

const families: readonly TaskFamily[] = [
  imageClassification,
  maskedLanguageModelling,
  imageCaptioning,
  imageTextRetrieval,
  videoClassification,
  textClassification,
  videoCaptioning,
  videoTextRetrieval,
  multimodalClassification,
  multimodalLabelling,
  multimodalRegression,
];

const registry = createRegistry<TaskFamily>('task family', families, taskFamilyShape);

/**
 * Makes a family known under its name, for the whole process. Call it before recipes that use it are read.
 * @throws ConfigError when the name or the verb of its predictions is taken, or (code `record`) a field is not as a family's
 */
export const registerTaskFamily = <Fields extends SettingFields>(
  family: TaskFamily<Fields>,
): TaskFamily<Fields> => {
  const verb = family.predict?.verb;
  const taken = registry.all().find((each) => each.predict?.verb === verb && each.name !== family.name);
  if (verb !== undefined && taken) {
    throw new ConfigError(
      `registerTaskFamily: expected a verb of predict that is free, got "${verb}", which ${taken.name} has; choose another`,
      { fields: { name: family.name, verb } },
    );
  }
  return registry.register(family);
};

/** The family of a name. @throws ConfigError listing the registered names */
export const taskFamilyNamed = (name: string): TaskFamily => registry.named(name);

/** The kinds of segments of a family's tasks, inputs first. @param kept what is kept of a task, where tasks differ */
const segmentsOf = (
  { segments }: Pick<TaskFamily, 'segments'>,
  kept?: Readonly<Record<string, unknown>>,
): readonly TaskSegment[] => (typeof segments === 'function' ? segments(kept) : segments);

/** Whether a family of that name is registered. */
export const hasTaskFamily = (name: string): boolean => registry.has(name);

/**
 * Refuses a family that speaks of a kind of dataset or of modalities that nothing registers; what it speaks of may be
 * registered after it, so this is asked when it is used.
 * @throws ConfigError naming the family and what is registered
 */
export const requireRegisteredParts = (family: TaskFamily): void => {
  const { name, kind, signature } = family;
  const refuse = (what: string, got: string, all: readonly string[]): void => {
    if (!all.includes(got)) throw unknownName(`${what} of the task family ${name},`, got, all);
  };
  refuse('kind of dataset', kind, kindNames());
  for (const { modality } of segmentsOf(family)) refuse('modality of a segment', modality, modalityNames());
  if (!signature) return;
  const groups = [...new Set(registeredModalities().map(({ attribute }) => attribute))];
  for (const group of [...signature.inputs, ...signature.targets]) {
    refuse('modality in the signature', group, groups);
  }
};

/** All families, in the order of registration. */
export const taskFamilies = (): readonly TaskFamily[] => registry.all();

/** Names of all families, those of this package first. */
export const taskFamilyNames = (): readonly string[] => registry.names();

/** Name of the learned temperature of a family. */
export const temperatureOf = ({ name, temperature = name }: TaskFamily): string => temperature;

/** The predictors of the families that {@link NamedTaskFamilies} names, with their verbs, options and answers. */
export type NamedPredictor = {
  [Name in keyof NamedTaskFamilies]: NamedTaskFamilies[Name] extends TaskFamily<
    infer _Fields,
    infer Predictor
  >
    ? Predictor
    : never;
}[keyof NamedTaskFamilies];

/** The families that answer a verb of `predict`, with what they answer. */
export const taskPredictors = (): readonly {
  readonly family: TaskFamily;
  readonly predictor: FamilyPredictor;
}[] => registry.all().flatMap((family) => (family.predict ? [{ family, predictor: family.predict }] : []));

/**
 * The kinds of segments of a family's tasks, inputs first.
 * @param kept what a model keeps of the task, for a family whose tasks differ
 * @throws ConfigError for a family that is not registered, and as {@link requireRegisteredParts}
 */
export const familySegments = (
  family: string,
  kept?: Readonly<Record<string, unknown>>,
): readonly TaskSegment[] => {
  const record = registry.named(family);
  requireRegisteredParts(record);
  return segmentsOf(record, kept);
};

/** The zod object of a family's tasks, as recipes hold them. */
const familySchema = <Name extends string, Fields extends SettingFields>(
  family: TaskFamily<Fields> & { readonly name: Name },
) =>
  z.strictObject({
    family: z.literal(family.name),
    ...commonSettings(family.defaults),
    ...family.settings,
  });

type FamilySchema<Name extends keyof NamedTaskFamilies> =
  NamedTaskFamilies[Name] extends TaskFamily<infer Fields, infer _Predictor>
    ? z.ZodObject<{ family: z.ZodLiteral<Name> } & ReturnType<typeof commonSettings> & Fields, z.core.$strict>
    : never;

/** A task of a recipe with everything filled in, of a family that {@link NamedTaskFamilies} names. */
export type TaskRecipe = {
  [Name in keyof NamedTaskFamilies]: z.output<FamilySchema<Name>>;
}[keyof NamedTaskFamilies];
/** What a recipe may say of a task. */
export type TaskRecipeInput = {
  [Name in keyof NamedTaskFamilies]: z.input<FamilySchema<Name>>;
}[keyof NamedTaskFamilies];

/** The schema of a task of a recipe: a choice among all families that are registered now. */
export const taskRecipeSchema = (): z.ZodType<TaskRecipe, TaskRecipeInput> => {
  const [first, ...others] = registry.all().map(familySchema);
  if (!first) throw new ConfigError('task families: expected one or more, got none; register one');
  return z.discriminatedUnion('family', [first, ...others]) as unknown as z.ZodType<
    TaskRecipe,
    TaskRecipeInput
  >;
};
