/** What scores can't say: those of a model that gives every sample one answer, and those of a single sample. */
import { excerpt } from '@polygate/core';
import type { ScoreReport } from '@polygate/evaluation';

/** Fewer samples may get one answer by chance: a coin gives eight equal ones once in 128 times. */
const LEAST_SAMPLES = 8;

const oneAnswer = ({ task, split, count, tables }: ScoreReport): readonly string[] => {
  const classes = tables?.classes ?? [];
  const answered = classes.filter(({ predictions }) => predictions > 0);
  const occurring = classes.filter(({ samples }) => samples > 0);
  const [only] = answered;
  if (!only || answered.length > 1 || occurring.length < 2 || count < LEAST_SAMPLES) return [];
  return [
    `${task}, ${split}: the answer to all ${count} samples is ${excerpt(only.name)}, which is right for ${only.samples}: the model tells none of the ${occurring.length} classes from another; train it longer, at another rate, or on classes of more equal sizes`,
  ];
};

/**
 * Sentences to be read with the scores, one for each task and split that needs it.
 * @param reports scores, and the details that have tables of classes
 */
export const cautionsOf = (reports: readonly ScoreReport[]): readonly string[] => {
  const single = reports
    .filter(({ count }) => count === 1)
    .map(
      ({ task, split }) =>
        `${task}, ${split}: scores of one sample say nothing of others; hold out more (validationPercent and testPercent of a source, or more samples of that split)`,
    );
  return [...new Set([...reports.flatMap(oneAnswer), ...single])];
};
