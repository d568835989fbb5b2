/** The model of a folder kept open for predictions, with any number of adapters on it. */
import {
  loadModel,
  modelFolderOf,
  openAdapter,
  predictorOf,
  type Generalist,
  type Predictor,
  type PredictorOptions,
} from '@polygate/generalist';
import { openRun, type OpenRunOptions } from './open-run.ts';

export interface OpenPredictorOptions
  extends Omit<PredictorOptions, 'adapters'>, Omit<OpenRunOptions, 'engine' | 'adapter'> {
  /** Engine by name, or `current` for the one that tfjs has already. @default the run's own, else 'auto' */
  readonly engine?: OpenRunOptions['engine'] | 'current';
  /**
   * Adapters by a name of the caller's: folders of adapters or of runs that tune. They share the weights of the model; each
   * answers as `predictor.adapter(name)`. @default none
   */
  readonly adapters?: Readonly<Record<string, string>>;
}

/** Opens adapters on a model; all of it is freed where one does not fit. */
const openAdapters = async (
  model: Generalist,
  folder: string,
  adapters: Readonly<Record<string, string>>,
): Promise<ReadonlyMap<string, Generalist>> => {
  const opened = new Map<string, Generalist>();
  try {
    for (const [name, from] of Object.entries(adapters)) {
      opened.set(name, await openAdapter({ model, folder }, from));
    }
    return opened;
  } catch (error) {
    for (const each of opened.values()) each.dispose();
    model.dispose();
    throw error;
  }
};

/**
 * Opens the model of a folder (a run, a checkpoint or an exported model) on an engine and keeps it.
 * @throws as `openRun`, and as `openAdapter` for an adapter that is another base's
 */
export const openPredictor = async (
  folder: string,
  options: OpenPredictorOptions = {},
): Promise<Predictor> => {
  const { engine, adapters = {}, ...rest } = options;
  const open = async (): Promise<{ readonly model: Generalist; readonly weights: string }> => {
    if (engine !== 'current')
      return openRun(folder, { ...rest, ...(engine === undefined ? {} : { engine }) });
    const weights = await modelFolderOf(folder, options.checkpoint);
    return { model: await loadModel(weights, { base: options.base }), weights };
  };
  const { model, weights } = await open();
  return predictorOf(model, { ...rest, adapters: await openAdapters(model, weights, adapters) });
};
