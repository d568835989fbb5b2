/** Predictions as text for people; `--json` prints the values themselves. */
import type { CaptionPrediction, LabelPrediction, WordPrediction } from '@polygate/generalist';
import type { ExportResult } from './export-run.ts';
import type { PicturePrediction } from './predict-each.ts';
import type { Retrieval } from './predict.ts';

const percent = (probability: number): string => `${(100 * probability).toFixed(1).padStart(5)} %`;

/** One label a line, with its probability. */
export const formatClass = (labels: readonly LabelPrediction[]): string =>
  labels.map(({ label, probability }) => `${percent(probability)}  ${label}`).join('\n');

/** One caption a line, the best first, with its score. */
export const formatCaption = (captions: readonly CaptionPrediction[]): string =>
  captions.map(({ text, score }) => `${score.toFixed(3).padStart(7)}  ${text}`).join('\n');

/** Each picture's path above what is said of it. */
export const formatPictures = <A>(
  pictures: readonly PicturePrediction<A>[],
  format: (predictions: readonly A[]) => string,
): string => pictures.map(({ image, predictions }) => `${image}\n${format(predictions)}`).join('\n\n');

/** One picture a line, with its cosine. */
export const formatRetrieval = ({ pictures, searched, skipped }: Retrieval): string =>
  [
    ...pictures.map(({ path, similarity }) => `${similarity.toFixed(3).padStart(6)}  ${path}`),
    `(${searched} pictures searched${skipped.length > 0 ? `, ${skipped.length} skipped` : ''})`,
  ].join('\n');

/** The text with its best words, then the choices for each blank. */
export const formatFill = (text: string, blanks: readonly (readonly WordPrediction[])[]): string => {
  let number = 0;
  const filled = text.replace(/_{3,}/gu, (blank) => {
    const word = blanks[number]?.[0]?.word ?? blank;
    number += 1;
    return word;
  });
  const choices = blanks.map((words, i) => {
    const list = words.map(({ word, probability }) => `${word} ${percent(probability).trim()}`).join(', ');
    return blanks.length > 1 ? `blank ${i + 1}: ${list}` : list;
  });
  return [filled, ...choices].join('\n');
};

const millions = (count: number): string => `${(count / 1e6).toFixed(2)}M`;

/** What an exported model is, and what to do with it. */
export const formatExport = ({ output, tasks, condition, sets, parameters }: ExportResult): string =>
  [
    `${tasks.join(', ')}: ${sets} merged ${sets === 1 ? 'set' : 'sets'} by ${condition}, ${millions(parameters.trained)} -> ${millions(parameters.exported)} parameters`,
    `written: ${output} (predict and evaluate take it as --run)`,
  ].join('\n');
