/** Labels of images: any class names. */
import { imageSequences, type ImagePatches } from '@polygate/modalities';
import { nameCandidates } from '../../candidates.ts';
import type { TaskModel } from '../../model.ts';
import { softmaxRows } from '../../scores.ts';
import { segmentRows } from '../../signatures.ts';
import {
  chosenLabels,
  formatLabels,
  labelsOption,
  rankedRows,
  type LabelChoice,
  type LabelPrediction,
} from '../label-answers.ts';
import type { ImagePredictor } from '../predictor.ts';

const CLASSIFICATION = 'image-classification';
const VERB = 'classify';

const isWords = (choice: readonly string[] | LabelChoice): choice is readonly string[] =>
  Array.isArray(choice);

/**
 * Labels of each image, likeliest first. Any words do: they are encoded as class names.
 * @throws ConfigError for no labels, or two that are the same, and where the model doesn't know the names of its classes
 */
export const classify = async (
  model: TaskModel,
  images: ImagePatches,
  choice: readonly string[] | LabelChoice = {},
): Promise<readonly (readonly LabelPrediction[])[]> => {
  const asked: LabelChoice = isWords(choice) ? { labels: choice } : choice;
  const { labels, task } = chosenLabels(model, asked, { verb: VERB, family: CLASSIFICATION });
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
  return rankedRows(labels, softmaxRows(scores, labels.length));
};

/** `predict classify`. */
export const classPredictor: ImagePredictor<LabelPrediction, LabelChoice, typeof VERB> = {
  verb: VERB,
  summary: 'labels of images, likeliest first; files, folders or patterns',
  input: 'images',
  options: [labelsOption],
  key: 'labels',
  predict: (model, images, options) => classify(model, images, options),
  format: formatLabels,
};
