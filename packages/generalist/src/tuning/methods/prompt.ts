/**
 * Prompt tuning as Uni-Perceiver-MoE does it (section 6.1, after P-Tuning v2): learned vectors before the keys and values
 * of every block, a bias on the prefix token, all norms, and for classifications a linear head beside the similarities.
 * Experts, gates, LayerScale, temperatures and the projection stay as they are.
 *
 * P prompts · D width
 */
import type { ParameterSpec } from '@polygate/nn';
import { taskFamilyNamed, type TrainedTask } from '@polygate/tasks';
import type * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { classesSetting, classParts, isNorm } from './class-parts.ts';
import type { AdapterParts, TuningContext, TuningMethod } from '../tuning-method.ts';

/** Most prompts of a block. */
const MAX_PROMPTS = 2 ** 12;

const promptSettings = {
  /** Learned vectors of each block; 0 goes without. */
  prompts: z.number().int().min(0).max(MAX_PROMPTS).default(10),
  /** Whether inputs and targets have the same prompts. @default the family's: separate for retrieval, else shared */
  sides: z.enum(['shared', 'separate']).optional(),
  /** Whether norms are trained. */
  norms: z.boolean().default(true),
  /** Whether a vector is added to every prefix token. */
  prefixBias: z.boolean().default(true),
  /**
   * What classes get beside their names: a linear head over the features, a learned token each in front of the name, or
   * nothing. @default the family's: a head for images and clips, else nothing
   */
  classes: classesSetting.optional(),
};

export type PromptSettings = Readonly<z.output<z.ZodObject<typeof promptSettings>>>;

const SIDES = ['inputs', 'targets'] as const;
const PREFIX_BIAS = 'adapter.prefix.bias';
const promptName = (block: number, side?: string): string =>
  `adapter.prompts.${side === undefined ? '' : `${side}.`}${block}`;

const separates = ({ sides }: PromptSettings, tasks: readonly TrainedTask[]): boolean =>
  sides === undefined
    ? tasks.some(({ family }) => taskFamilyNamed(family).tuning?.prompts === 'separate')
    : sides === 'separate';

/** What the classes of a task get: what is asked for, else the family's. */
const classesOf = ({ classes }: PromptSettings, { family, classes: names }: TrainedTask) =>
  classes ?? (taskFamilyNamed(family).tuning?.head && names ? 'head' : 'none');

const parts = (settings: PromptSettings, { encoder, tasks }: TuningContext): AdapterParts => {
  const { layers, width } = encoder;
  const sides = separates(settings, tasks) ? SIDES : [undefined];
  const prompts = sides.flatMap((side) =>
    Array.from({ length: settings.prompts > 0 ? layers : 0 }, (_, block): ParameterSpec => ({
      name: promptName(block, side),
      shape: [settings.prompts, width],
      initializer: { kind: 'normal' },
      role: 'embedding',
    })),
  );
  const bias: ParameterSpec = {
    name: PREFIX_BIAS,
    shape: [width],
    initializer: { kind: 'zeros' },
    role: 'bias',
  };
  return {
    adds: [...prompts, ...(settings.prefixBias ? [bias] : [])],
    ...(settings.norms ? { replaces: isNorm } : {}),
    ...classParts(tasks, (task) => classesOf(settings, task)),
  };
};

export const promptTuning: TuningMethod<PromptSettings> = {
  name: 'prompt',
  summary:
    'prompts for keys and values of every block, the prefix token, norms, and heads of classes (P-Tuning v2)',
  settings: promptSettings,
  adapter: {
    parts,
    begin({ parameters }, { side }) {
      const get = (name: string) => (parameters.has(name) ? parameters.get(name) : undefined);
      return {
        prompts: (block) =>
          (get(promptName(block)) ?? get(promptName(block, side))) as tf.Tensor2D | undefined,
        prefixBias: get(PREFIX_BIAS) as tf.Tensor1D | undefined,
      };
    },
  },
};
