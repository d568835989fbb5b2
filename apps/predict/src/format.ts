/** Predictions as text for people; `--json` prints the values themselves. */
import type { ExportResult } from './export-run.ts';
import type { ImagePrediction } from './predict-each.ts';
import type { Retrieval } from './predict.ts';

/** Each image's path above what is said of it. */
export const formatImages = <A>(
  images: readonly ImagePrediction<A>[],
  format: (predictions: readonly A[]) => string,
): string => images.map(({ image, predictions }) => `${image}\n${format(predictions)}`).join('\n\n');

/** One item of the gallery a line, with its cosine. */
export const formatRetrieval = ({ images, searched, skipped }: Retrieval, item = 'image'): string =>
  [
    ...images.map(({ path, similarity }) => `${similarity.toFixed(3).padStart(6)}  ${path}`),
    `(${searched} ${item}s searched${skipped.length > 0 ? `, ${skipped.length} skipped` : ''})`,
  ].join('\n');

const thousands = (count: number): string => `${(count / 1e3).toFixed(1)}k`;
const millions = (count: number): string => `${(count / 1e6).toFixed(2)}M`;

/** What an exported model is, and what to do with it. */
export const formatExport = (result: ExportResult): string => {
  const { output, form, tasks, condition, sets, parameters } = result;
  const { trained, exported } = parameters;
  if (form === 'adapter' || form === 'peft') {
    const use =
      form === 'peft'
        ? 'peft.PeftModel.from_pretrained takes it, on modules named as the base’s weights'
        : 'predict and evaluate take it as --adapter, beside the base as --run';
    return [
      `${tasks.join(', ')}: an adapter of ${thousands(exported)} parameters on a base of ${millions(trained - exported)}`,
      `written: ${output} (${use})`,
    ].join('\n');
  }
  const how =
    form === 'trained'
      ? 'as it was trained'
      : sets === undefined
        ? 'as it is'
        : `${sets} merged ${sets === 1 ? 'set' : 'sets'} by ${condition}`;
  return [
    `${tasks.join(', ')}: ${how}, ${millions(trained)} -> ${millions(exported)} parameters`,
    `written: ${output} (predict and evaluate take it as --run)`,
  ].join('\n');
};
