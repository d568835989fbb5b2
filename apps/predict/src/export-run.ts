/**
 * The export stage: a trained run -> a model folder with merged experts, which predict and evaluate run; or as it was
 * trained; of a run that was tuned also its adapter alone.
 */
import { ConfigError, PolygateError, silentLogger } from '@polygate/core';
import {
  saveAdapter,
  saveModel,
  savePeftAdapter,
  weightsHashes,
  type ExportedModel,
  type Generalist,
} from '@polygate/generalist';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { withModel, type PredictContext, type PredictOptions } from './session.ts';

/**
 * What is written: `model` all that predictions need, its experts merged; `trained` the model as it was trained, with experts
 * and routers, which can be tuned to any task; `adapter` what a tuned run has beside its base, which it needs then; `peft` the
 * same of low-rank products in peft's form.
 */
export type ExportForm = 'model' | 'trained' | 'adapter' | 'peft';

export const exportForms: readonly ExportForm[] = ['model', 'trained', 'adapter', 'peft'];

export interface ExportOptions extends Pick<
  PredictOptions,
  'run' | 'checkpoint' | 'adapter' | 'base' | 'engine' | 'device' | 'threads'
> {
  /** Tasks that the exported model is for. @default all that the run trained */
  readonly tasks?: readonly string[];
  /** Folder that the model is written to; it must not hold a model yet. */
  readonly output: string;
  /** BF16 halves the file and rounds each weight. @default 'F32' */
  readonly dtype?: 'F32' | 'BF16';
  /** @default 'model' */
  readonly form?: ExportForm;
}

export interface ExportResult {
  readonly output: string;
  readonly tasks: readonly string[];
  readonly form: ExportForm;
  /** What the experts were chosen by; absent without experts, and of an adapter alone. */
  readonly condition?: string;
  /** Merged weight sets, one for each kind of segment that the tasks have. */
  readonly sets?: number;
  /** Scalars before and after. */
  readonly parameters: { readonly trained: number; readonly exported: number };
}

const requireFree = async (folder: string): Promise<void> => {
  for (const file of ['config.json', 'adapter.json', 'adapter_config.json']) {
    const taken = await stat(join(folder, file)).catch(() => undefined);
    if (!taken) continue;
    throw new ConfigError(
      `export: expected a folder without a model, got ${folder}, which has a ${file}; choose another --out folder, or delete this one`,
      { code: 'output-exists', fields: { folder } },
    );
  }
};

/** Scalars of a model and of the adapter on it. */
const sizeOf = ({ base, parameters }: Pick<Generalist, 'base' | 'parameters'>): number =>
  (base?.size ?? 0) + parameters.size;

/** Codes of models whose linears are as they are: dense, merged before, or with experts that tokens choose. */
const UNMERGEABLE: ReadonlySet<string> = new Set(['nothing-to-merge', 'not-mergeable']);

/** A tuned model with its adapter in its weights, or as it is where it can't be there. */
const foldedOf = (model: Generalist): Generalist => {
  try {
    return model.exports?.folded?.() ?? model;
  } catch (error) {
    if (error instanceof PolygateError && error.code === 'not-foldable') return model;
    throw error;
  }
};

/**
 * A model for use alone: its experts merged, or, of one that was tuned and has none, as it is.
 * @param options `isRun`: whether it is what a run trained
 */
const exported = (
  model: Generalist,
  { tasks, isRun }: { readonly tasks: readonly string[]; readonly isRun: boolean },
): Partial<ExportedModel> & Pick<ExportedModel, 'model'> => {
  const merge = model.exports?.merged;
  try {
    if (merge) return merge({ tasks });
  } catch (error) {
    const isUnmergeable = error instanceof PolygateError && UNMERGEABLE.has(error.code);
    const isTrainedMerged = isRun && model.isExported;
    if (!isUnmergeable || !(model.base || isTrainedMerged)) throw error;
    return { model: foldedOf(model) };
  }
  throw new ConfigError(
    `export: expected a model whose experts can be merged, got one of the architecture ${model.architecture}; deploy the trained model as it is`,
    { code: 'not-mergeable', fields: { architecture: model.architecture } },
  );
};

/**
 * Merges the experts of a run for given tasks and writes the model folder, or writes the model as it was trained, or the adapter
 * of a tuned run.
 * @throws ConfigError for an unknown task, experts that can't be merged, or a folder that has a model; StateError for a
 * run without a model, one without an adapter that is asked for it, or an unwritable folder; EngineError for an engine
 * that isn't there
 */
export const exportRun = async (
  options: ExportOptions,
  context: PredictContext = {},
): Promise<ExportResult> => {
  const { output, dtype = 'F32', form = 'model' } = options;
  const { logger = silentLogger } = context;
  await requireFree(output);
  // Weights are merged and compared in single precision, whatever the run computed in.
  return withModel({ ...options, precision: 'f32' }, context, async ({ model, weights, state }) => {
    const tasks = options.tasks ?? (model.config.tasks ?? []).map(({ name }) => name);
    const [source = ''] = await weightsHashes(weights);
    const result = { output, form, tasks };
    logger.info(`export ${options.run} -> ${output}`);
    if (form === 'adapter' || form === 'peft') {
      // A tuned run names its base; an adapter that was asked for is on the model itself.
      const save = form === 'peft' ? savePeftAdapter : saveAdapter;
      await save(model, output, state?.base?.sha256 ?? source);
      return { ...result, parameters: { trained: sizeOf(model), exported: model.parameters.size } };
    }
    const {
      model: exportedModel,
      condition,
      sets,
    }: Partial<ExportedModel> & Pick<ExportedModel, 'model'> = form === 'trained'
      ? { model: foldedOf(model) }
      : exported(model, { tasks, isRun: state !== undefined });
    try {
      await saveModel(exportedModel, output, { dtype, ...(model.base ? {} : { source }) });
      return {
        ...result,
        ...(condition === undefined ? {} : { condition }),
        ...(sets === undefined ? {} : { sets }),
        parameters: { trained: sizeOf(model), exported: sizeOf(exportedModel) },
      };
    } finally {
      if (exportedModel !== model) exportedModel.dispose();
    }
  });
};
