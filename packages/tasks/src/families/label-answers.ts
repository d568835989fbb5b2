/** Labels as answers of `predict`, whatever is classified: which labels there are to choose from, and the choice in order. */
import { ConfigError, excerpt } from '@polygate/core';
import { namesAlike } from '@polygate/datasets';
import type { TaskModel, TrainedTask } from '../model.ts';
import { topIndices } from '../scores.ts';
import { servedTask } from '../serving.ts';
import type { PredictOption } from './predictor.ts';

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

/** The labels of a call, and the task that it serves. */
export interface ChosenLabels {
  readonly labels: readonly string[];
  /** The model's task, where it knows one. */
  readonly served: TrainedTask | undefined;
  /** Name of the task. */
  readonly task: string | undefined;
}

/**
 * The labels that are given, else those of a form that is asked for, else the classes of the task.
 * @param options `verb` as errors begin, and `classes` of the form
 * @throws ConfigError for no labels, two that are or read the same, and where the model doesn't know the names of its
 * classes, or the task is one of another family
 */
export const chosenLabels = (
  model: Pick<TaskModel, 'tasks'>,
  { labels: given, task: asked }: LabelChoice,
  options: {
    readonly verb: string;
    readonly family: string;
    readonly classes?: readonly string[] | undefined;
  },
): ChosenLabels => {
  const { verb, family, classes } = options;
  const served = servedTask(model, family, { task: asked });
  const task = served?.name ?? asked;
  // A task of another family may say the way through the model's experts, but its classes answer another question.
  const isOther = served !== undefined && served.family !== family;
  const labels = given ?? classes ?? (isOther ? undefined : served?.classes);
  if (!labels) {
    const lacking =
      task === undefined
        ? 'the model does not say the names of any classes'
        : isOther
          ? `"${task}" is a task of ${served.family}, whose classes are none of ${family}`
          : `the model does not say the names of the classes of "${task}"`;
    throw new ConfigError(`${verb}: expected labels, since ${lacking}; give words to choose from`, {
      code: 'no-classes',
      fields: { task },
    });
  }
  if (labels.length === 0 || new Set(labels).size !== labels.length) {
    throw new ConfigError(
      `${verb}: expected one or more labels that differ, got ${labels.length === 0 ? 'none' : labels.join(', ')}`,
    );
  }
  const alike = given && namesAlike(given);
  if (!alike) return { labels, served, task };
  throw new ConfigError(
    `${verb}: expected labels that differ in letters or digits, got ${excerpt(alike[0])} and ${excerpt(alike[1])}, which read the same; leave one out, or give another name`,
    { code: 'labels-alike', fields: { labels: alike } },
  );
};

/** Labels with their probabilities, likeliest first. */
export const rankedLabels = (
  labels: readonly string[],
  probabilities: ArrayLike<number>,
): readonly LabelPrediction[] =>
  topIndices(probabilities, labels.length).map((c) => ({
    label: labels[c] ?? '',
    probability: probabilities[c] ?? 0,
  }));

/** {@link rankedLabels} of each sample. @param probabilities [N * C] */
export const rankedRows = (
  labels: readonly string[],
  probabilities: Float32Array,
): readonly (readonly LabelPrediction[])[] =>
  Array.from({ length: probabilities.length / labels.length }, (_, i) =>
    rankedLabels(labels, probabilities.subarray(i * labels.length, (i + 1) * labels.length)),
  );

/** The option of every verb that chooses among labels. */
export const labelsOption: PredictOption = {
  name: 'labels',
  type: 'words',
  summary: "any labels, separated by commas; without them the model's own classes",
};

/** A probability as a share of hundred, of equal width. */
const percent = (probability: number): string => `${(100 * probability).toFixed(1).padStart(5)} %`;

/** One label a line, with its probability before it. */
export const formatLabels = (answers: readonly LabelPrediction[]): string =>
  answers.map(({ label, probability }) => `${percent(probability)}  ${label}`).join('\n');
