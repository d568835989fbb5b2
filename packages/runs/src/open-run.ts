/** A trained run, or a model on its own, opened to be used: the weights of a checkpoint on an engine, and the suite. */
import { silentLogger, type Logger } from '@polygate/core';
import {
  loadModel,
  openAdapter,
  openSuite,
  packagedModel,
  requireSuiteOf,
  resizedSuite,
  type Generalist,
  type OpenSuite,
} from '@polygate/generalist';
import { selectEngine, type EngineChoice, type EngineName, type EngineOptions } from '@polygate/tensor';
import { readRun, suiteFolderOf, type RunRecord } from './run-record.ts';

/** Engine settings that are left out are those of the run's recipe, so that a model computes as it was trained. */
export interface OpenRunOptions extends Pick<EngineOptions, 'engine' | 'device' | 'precision' | 'threads'> {
  /**
   * Checkpoint of the run: `best`, `last`, or a name such as `step-1500`.
   * @default the best by the score that the run's recipe names, else the last
   */
  readonly checkpoint?: string;
  /**
   * Folder of an adapter, or of a run that tunes, on the model that is opened.
   * @default none, or that of a run that tunes
   */
  readonly adapter?: string;
  /**
   * Folder of the base, or of its run, of a run whose checkpoints hold a part of a model.
   * @default where the checkpoint says
   */
  readonly base?: string;
  /** @default silent */
  readonly logger?: Logger;
}

/** Owns the model. */
export interface OpenRun extends RunRecord, Disposable {
  readonly model: Generalist;
  readonly engine: EngineChoice;
  /**
   * Opens a prepared suite that the model can read; the caller closes it.
   * @param folder @default the suite that the run was trained on
   * @throws ConfigError where none is named, or for images of another size; StateError for another tokenizer
   */
  openSuite(folder?: string): Promise<OpenSuite>;
}

/** A precision that the recipe leaves to a measurement is what the measurement of the training gave. */
const precisionOf = ({ recipe, trainedOn }: RunRecord): NonNullable<EngineOptions['precision']> =>
  recipe?.precision === 'auto' ? (trainedOn?.precision ?? 'auto') : (recipe?.precision ?? 'f32');

const engineOf = (record: RunRecord, options: OpenRunOptions): EngineOptions => {
  const { recipe } = record;
  const device = options.device ?? recipe?.device;
  const threads = options.threads ?? recipe?.threads;
  return {
    engine: options.engine ?? ((recipe?.engine ?? 'auto') as EngineName | 'auto'),
    precision: options.precision ?? precisionOf(record),
    // Another machine may not have the precision of the training; one that is asked for must be there.
    precisionRequired: options.precision !== undefined,
    ...(device === undefined ? {} : { device }),
    ...(threads === undefined ? {} : { threads }),
  };
};

/** A run on a package's model stands on it wherever the package is installed. */
const packagedBase = async ({ recipe }: RunRecord): Promise<string | undefined> => {
  const from = recipe?.tune && recipe.initialize?.from;
  return from === undefined ? undefined : packagedModel(from);
};

/** A model with the adapter that is asked for; freed where that does not fit. */
const adapted = async (
  model: Generalist,
  folder: string,
  adapter: string | undefined,
): Promise<Generalist> => {
  if (adapter === undefined) return model;
  try {
    return await openAdapter({ model, folder }, adapter, { owned: true });
  } catch (error) {
    model.dispose();
    throw error;
  }
};

/**
 * Opens a run folder, a checkpoint, or a model folder on its own.
 * @throws StateError for a folder without weights; ConfigError for a checkpoint that is not there (lists those that are);
 * EngineError for an engine that isn't there; FormatError for damaged files
 */
export const openRun = async (folder: string, options: OpenRunOptions = {}): Promise<OpenRun> => {
  const { logger = silentLogger } = options;
  const record = await readRun(folder, options.checkpoint);
  const engine = await selectEngine({ ...engineOf(record, options), logger });
  const base = await loadModel(record.weights, { base: options.base ?? (await packagedBase(record)) });
  const model = await adapted(base, record.weights, options.adapter);
  return {
    ...record,
    model,
    engine,
    async openSuite(asked) {
      const opened = await openSuite(suiteFolderOf(record, asked));
      // A run that resized its images does so with those of any suite.
      const data = record.recipe?.image ? resizedSuite(opened, model.config.image.height) : opened;
      try {
        requireSuiteOf(model, data, { run: folder, logger });
        return data;
      } catch (error) {
        await data.close();
        throw error;
      }
    },
    [Symbol.dispose]: () => model.dispose(),
  };
};
