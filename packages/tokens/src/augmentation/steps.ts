/** Augmentations as recipes write them: a preset by name, a list of steps, or the settings of the affine one alone. */
import { z } from 'zod';
import { PolygateError } from '@polygate/core';
import { affineFields, type AffineSettings } from './affine.ts';
import { isBatchAugmentation, type AugmentationRecord, type AugmentationStep } from './augmentation.ts';
import { presets, type AugmentationPreset } from './presets.ts';
import { augmentationNamed } from './registry.ts';

/** What a recipe says, and what programs give: see {@link augmentationSchema}. */
export type Augmentation = AugmentationPreset | readonly AugmentationStep[] | AffineSettings;

/** A step with its record and all of its settings. */
export interface ResolvedStep {
  readonly record: AugmentationRecord;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Settings of a record, unknown keys refused. */
const schemaOf = ({ name, settings }: AugmentationRecord) =>
  z.strictObject({ kind: z.literal(name), ...settings });

const step = z.looseObject({ kind: z.string() }).transform((given, context): AugmentationStep => {
  try {
    const record = augmentationNamed(given.kind);
    const parsed = schemaOf(record).safeParse(given);
    if (parsed.success) return parsed.data as AugmentationStep;
    for (const issue of parsed.error.issues) {
      const names = Object.keys(record.settings).join(', ') || 'none';
      const message =
        issue.code === 'unrecognized_keys'
          ? `unknown setting ${issue.keys.map((key) => `"${key}"`).join(', ')}; known: ${names}`
          : issue.message;
      context.addIssue({ code: 'custom', message: `${given.kind}: ${message}`, path: [...issue.path] });
    }
  } catch (error) {
    if (!(error instanceof PolygateError)) throw error;
    context.addIssue({ code: 'custom', message: error.message, path: ['kind'] });
  }
  return z.NEVER;
});

const MOST_STEPS = 64;

/** Of a setting of a recipe. @default no augmentation */
export const augmentationSchema: z.ZodType<Augmentation, Augmentation> = z.union([
  z.enum(Object.keys(presets) as [AugmentationPreset, ...AugmentationPreset[]]),
  z
    .array(step)
    .max(MOST_STEPS)
    .refine(
      (steps) => steps.filter(({ kind }) => isBatchAugmentation(augmentationNamed(kind))).length <= 1,
      'expected at most one step that mixes rows',
    ),
  z.strictObject(affineFields),
]);

const isList = (augmentation: Augmentation): augmentation is readonly AugmentationStep[] =>
  Array.isArray(augmentation);

/**
 * The steps of an augmentation in their order.
 * @throws ConfigError for an unknown augmentation; an error of zod for settings that it has not
 */
export const augmentationSteps = (augmentation: Augmentation): readonly ResolvedStep[] => {
  if (typeof augmentation !== 'string' && !isList(augmentation)) {
    return [{ record: augmentationNamed('affine'), settings: { ...augmentation } }];
  }
  const list = typeof augmentation === 'string' ? presets[augmentation] : augmentation;
  return list.map((given) => {
    const record = augmentationNamed(given.kind);
    const { kind: _, ...settings } = schemaOf(record).parse(given) as AugmentationStep;
    return { record, settings };
  });
};
