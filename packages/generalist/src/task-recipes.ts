/** From the tasks of a recipe to tasks: what a suite allows, and each task with its columns, classes and candidates. */
import { ConfigError, ownValue } from '@polygate/core';
import { suiteDataset, type Suite } from '@polygate/datasets';
import type { ImageInput } from '@polygate/modalities';
import {
  createImageCaptioning,
  createImageClassification,
  createImageTextRetrieval,
  createMaskedLanguageModelling,
  type CandidateChoice,
  type CandidateSet,
  type Task,
  type TaskFamily,
  type TrainedTask,
} from '@polygate/tasks';
import type { Tokenizer } from '@polygate/tokens';
import type { TaskRecipe } from './recipe.ts';

/** The kind of dataset that each family reads. */
const kindOfFamily: Readonly<Record<TaskFamily, string>> = Object.freeze({
  'image-classification': 'labelled-image',
  'masked-language-modelling': 'text',
  'image-captioning': 'captioned-image',
  'image-text-retrieval': 'captioned-image',
});

/** Each family and the kind that it reads, as text. */
export const familyKinds = (): string =>
  Object.entries(kindOfFamily)
    .map(([family, kind]) => `${family} reads ${kind}`)
    .join(', ');

/** Above this many words, training samples its candidates unless the recipe says otherwise. */
const WHOLE_VOCABULARY = 1024;
const DEFAULT_NEGATIVES = 512;

const plain = (family: TaskFamily, dataset: string): TaskRecipe => ({
  family,
  dataset,
  split: 'train',
  lossWeight: 1,
  batchSize: 32,
  maskRate: 0.15,
});

/**
 * Every task that the training splits of a suite allow: classification of labelled pictures, captioning and retrieval of
 * captioned ones, masked language modelling of text. Named after the dataset, or dataset and family where it serves two.
 */
export const defaultTasks = (suite: Suite): Readonly<Record<string, TaskRecipe>> => {
  const tasks: [name: string, task: TaskRecipe][] = [];
  for (const { name, kind, splits } of suite.datasets) {
    if ((ownValue(splits, 'train')?.rows ?? 0) === 0) continue;
    if (kind === 'labelled-image') tasks.push([name, plain('image-classification', name)]);
    if (kind === 'text') tasks.push([name, plain('masked-language-modelling', name)]);
    if (kind === 'captioned-image') {
      tasks.push([`${name}/captioning`, plain('image-captioning', name)]);
      tasks.push([`${name}/retrieval`, plain('image-text-retrieval', name)]);
    }
  }
  return Object.fromEntries(tasks);
};

/** What tasks share. */
export interface TaskContext {
  readonly suite: Suite;
  readonly tokenizer: Tokenizer;
  readonly image: ImageInput;
  /** The model's own, so that features are encoded once. @default one per task */
  readonly vocabulary?: CandidateSet;
  /** How often each token is a label of this task; for the correction of sampled candidates. */
  readonly frequencies?: ArrayLike<number>;
  /** How often each token is a label of any task; what negatives are drawn by. @default frequencies */
  readonly drawFrequencies?: ArrayLike<number>;
}

/** Whether a task samples vocabulary candidates, and so wants to know how often each is a label. */
export const needsFrequencies = (recipe: TaskRecipe, vocabularySize: number): boolean => {
  if (recipe.family !== 'masked-language-modelling' && recipe.family !== 'image-captioning') return false;
  return choiceOf(recipe, { vocabularySize }).kind === 'sampled';
};

const choiceOf = (
  { family, candidates }: TaskRecipe,
  sizes: Pick<TaskContext, 'frequencies' | 'drawFrequencies'> & { readonly vocabularySize: number },
): CandidateChoice => {
  const { vocabularySize, frequencies, drawFrequencies } = sizes;
  const ofWords = family === 'masked-language-modelling' || family === 'image-captioning';
  const asked =
    candidates ??
    (ofWords && vocabularySize > WHOLE_VOCABULARY
      ? ({
          kind: 'sampled',
          negatives: DEFAULT_NEGATIVES,
          distribution: 'unigram',
          power: 0.75,
          uniformShare: 0.1,
        } as const)
      : ({ kind: 'whole' } as const));
  if (asked.kind === 'whole') return asked;
  // Class labels have no counts here, so classes are drawn evenly.
  if (!ofWords) return { ...asked, distribution: 'uniform' };
  return {
    ...asked,
    ...(frequencies ? { frequencies } : {}),
    ...(drawFrequencies ? { drawFrequencies } : {}),
  };
};

/**
 * A task of a recipe.
 * @throws ConfigError for an unknown dataset, one of another kind, or settings that the family refuses
 */
export const makeTask = (name: string, recipe: TaskRecipe, context: TaskContext): Task => {
  const { suite, tokenizer, image, vocabulary, frequencies, drawFrequencies } = context;
  const dataset = suiteDataset(suite, recipe.dataset);
  const kind = kindOfFamily[recipe.family];
  if (dataset.kind !== kind) {
    throw new ConfigError(
      `task "${name}": expected a dataset of kind ${kind} for ${recipe.family}, got "${dataset.name}" of kind ${dataset.kind}; ${
        suite.datasets
          .filter((each) => each.kind === kind)
          .map((each) => each.name)
          .join(', ') || 'no dataset of the suite'
      } would do`,
    );
  }
  const settings = {
    name,
    tokenizer,
    lossWeight: recipe.lossWeight,
    ...(recipe.labelSmoothing === undefined ? {} : { labelSmoothing: recipe.labelSmoothing }),
    ...(recipe.maximumTokens === undefined ? {} : { maximumTokens: recipe.maximumTokens }),
    candidates: choiceOf(recipe, {
      vocabularySize: tokenizer.size,
      ...(frequencies ? { frequencies } : {}),
      ...(drawFrequencies ? { drawFrequencies } : {}),
    }),
    ...(vocabulary ? { vocabulary } : {}),
  };
  const pictures = { image, ...(recipe.augmentation ? { augmentation: recipe.augmentation } : {}) };
  switch (recipe.family) {
    case 'image-classification':
      return createImageClassification({ ...settings, ...pictures, classes: dataset.classes ?? [] });
    case 'masked-language-modelling':
      return createMaskedLanguageModelling({ ...settings, rate: recipe.maskRate });
    case 'image-captioning':
      return createImageCaptioning({ ...settings, ...pictures });
    case 'image-text-retrieval':
      return createImageTextRetrieval({ ...settings, ...pictures });
    default:
      return recipe.family satisfies never;
  }
};

/** What a model that is trained on these tasks says of them; class names go with it wherever it goes. */
export const trainedTasks = (
  tasks: Readonly<Record<string, TaskRecipe>>,
  suite: Suite,
): readonly TrainedTask[] =>
  Object.entries(tasks).map(([name, { family, dataset }]) => {
    const { classes } = suiteDataset(suite, dataset);
    return {
      name,
      family,
      dataset,
      ...(family === 'image-classification' && classes ? { classes } : {}),
    };
  });
