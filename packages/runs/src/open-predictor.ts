/** The model of a folder kept open for predictions. */
import { loadModel, modelFolderOf, predictorOf, type Predictor, type PredictorOptions } from '@polygate/generalist';
import { openRun, type OpenRunOptions } from './open-run.ts';

export interface OpenPredictorOptions extends PredictorOptions, Omit<OpenRunOptions, 'engine'> {
  /** Engine by name, or `current` for the one that tfjs has already. @default the run's own, else 'auto' */
  readonly engine?: OpenRunOptions['engine'] | 'current';
}

/**
 * Opens the model of a folder (a run, a checkpoint or an exported model) on an engine and keeps it.
 * @throws as `openRun`
 */
export const openPredictor = async (
  folder: string,
  options: OpenPredictorOptions = {},
): Promise<Predictor> => {
  const { engine, ...rest } = options;
  if (engine === 'current') {
    return predictorOf(await loadModel(await modelFolderOf(folder, options.checkpoint)), options);
  }
  const { model } = await openRun(folder, { ...rest, ...(engine === undefined ? {} : { engine }) });
  return predictorOf(model, options);
};
