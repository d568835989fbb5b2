/** Labels of images: any class names. */
import { ConfigError, excerpt } from '@polygate/core';
import { namesAlike } from '@polygate/datasets';
import { nameCandidates } from '../../candidates.ts';
import type { TaskModel } from '../../model.ts';
import { softmaxRows, topIndices } from '../../scores.ts';
import { imageSequences, type ImagePatches } from '@polygate/modalities';
import { servingTask } from '../../serving.ts';
import { segmentRows } from '../../signatures.ts';
import type { ImagePredictor } from '../predictor.ts';

const CLASSIFICATION = 'image-classification';

export interface LabelPrediction {
  readonly label: string;
  /** Of the softmax over the given labels. */
  readonly probability: number;
}

/** Labels to choose from. */
export interface LabelChoice {
  /** Any words that differ. @default the names of the classes of the task that is asked */
  readonly labels?: readonly string[] | undefined;
  /** Classification task of the model that is asked. @default its first */
  readonly task?: string | undefined;
}

const isWords = (choice: readonly string[] | LabelChoice): choice is readonly string[] =>
  Array.isArray(choice);

/** Names of the classes that a task of a model was trained on. @throws ConfigError where the model doesn't say */
const classesOf = ({ tasks }: TaskModel, task: string | undefined): readonly string[] => {
  const classes = tasks.find(({ name }) => name === task)?.classes;
  if (classes) return classes;
  throw new ConfigError(
    `classify: expected labels, since the model does not say the names of ${task === undefined ? 'any classes' : `the classes of "${task}"`}; give words to choose from`,
    { code: 'no-classes', fields: { task } },
  );
};

/**
 * Labels of each image, likeliest first. Any words do: they are encoded as class names.
 * @throws ConfigError for no labels, or two that are the same, and where the model doesn't know the names of its classes
 */
export const classify = async (
  model: TaskModel,
  images: ImagePatches,
  choice: readonly string[] | LabelChoice = {},
): Promise<readonly (readonly LabelPrediction[])[]> => {
  const { labels: given, task: asked }: LabelChoice = isWords(choice) ? { labels: choice } : choice;
  const task = servingTask(model, CLASSIFICATION, { task: asked });
  const labels = given ?? classesOf(model, task);
  if (labels.length === 0 || new Set(labels).size !== labels.length) {
    throw new ConfigError(
      `classify: expected one or more labels that differ, got ${labels.length === 0 ? 'none' : labels.join(', ')}`,
    );
  }
  const alike = given && namesAlike(given);
  if (alike) {
    throw new ConfigError(
      `classify: expected labels that differ in letters or digits, got ${excerpt(alike[0])} and ${excerpt(alike[1])}, which read the same; leave one out, or give another name`,
      { code: 'labels-alike', fields: { labels: alike } },
    );
  }
  const set = nameCandidates('labels', labels, {
    tokenizer: model.tokenizer,
    row: segmentRows.name,
    maximum: model.maximumTokens,
  });
  const scores = await model.scores(
    {
      inputs: imageSequences(images, segmentRows.image),
      queries: 'prefix',
      targets: set.whole(),
      temperature: CLASSIFICATION,
    },
    { task },
  );
  const probabilities = softmaxRows(scores, labels.length);
  return Array.from({ length: images.size }, (_, i) => {
    const row = probabilities.subarray(i * labels.length, (i + 1) * labels.length);
    return topIndices(row, labels.length).map((c) => ({ label: labels[c] ?? '', probability: row[c] ?? 0 }));
  });
};

/** Probability of a label as a share of hundred, of equal width. */
const percent = (probability: number): string => `${(100 * probability).toFixed(1).padStart(5)} %`;

/** `predict classify`. */
export const classPredictor: ImagePredictor<LabelPrediction> = {
  verb: 'classify',
  summary: 'labels of images, likeliest first; files, folders or patterns',
  input: 'images',
  options: [
    {
      name: 'labels',
      type: 'words',
      summary: "any labels, separated by commas; without them the model's own classes",
    },
  ],
  key: 'labels',
  predict: (model, images, options) => classify(model, images, options as LabelChoice),
  format: (answers) =>
    answers.map(({ label, probability }) => `${percent(probability)}  ${label}`).join('\n'),
};
