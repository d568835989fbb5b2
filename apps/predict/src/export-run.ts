/** The export stage: a trained run -> a model folder with merged experts, which predict and evaluate run. */
import { ConfigError, silentLogger } from '@polygate/core';
import { saveModel } from '@polygate/generalist';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { withModel, type PredictContext, type PredictOptions } from './session.ts';

export interface ExportOptions extends Pick<
  PredictOptions,
  'run' | 'checkpoint' | 'engine' | 'device' | 'threads'
> {
  /** Tasks that the exported model is for. @default all that the run trained */
  readonly tasks?: readonly string[];
  /** Folder that the model is written to; it must not hold a model yet. */
  readonly output: string;
  /** BF16 halves the file and rounds each weight. @default 'F32' */
  readonly dtype?: 'F32' | 'BF16';
}

export interface ExportResult {
  readonly output: string;
  readonly tasks: readonly string[];
  /** What the experts were chosen by. */
  readonly condition: string;
  /** Merged weight sets, one for each kind of segment that the tasks have. */
  readonly sets: number;
  /** Scalars before and after. */
  readonly parameters: { readonly trained: number; readonly exported: number };
}

const requireFree = async (folder: string): Promise<void> => {
  const taken = await stat(join(folder, 'config.json')).catch(() => undefined);
  if (taken) {
    throw new ConfigError(
      `export: expected a folder without a model, got ${folder}, which has a config.json; choose another --out folder, or delete this one`,
      { code: 'output-exists', fields: { folder } },
    );
  }
};

/**
 * Merges the experts of a run for given tasks and writes the model folder.
 * @throws ConfigError for an unknown task, experts that can't be merged, or a folder that has a model; StateError for a
 * run without a model or an unwritable folder; EngineError for an engine that isn't there
 */
export const exportRun = async (
  options: ExportOptions,
  context: PredictContext = {},
): Promise<ExportResult> => {
  const { output, dtype = 'F32' } = options;
  const { logger = silentLogger } = context;
  await requireFree(output);
  // Weights are merged and compared in single precision, whatever the run computed in.
  return withModel({ ...options, precision: 'f32' }, context, async ({ model }) => {
    const tasks = options.tasks ?? (model.config.tasks ?? []).map(({ name }) => name);
    const merge = model.exports?.merged;
    if (!merge) {
      throw new ConfigError(
        `export: expected a model whose experts can be merged, got one of the architecture ${model.architecture}; deploy the trained model as it is`,
        { code: 'not-mergeable', fields: { architecture: model.architecture } },
      );
    }
    const { model: exported, condition, sets } = merge({ tasks });
    using _exported = exported;
    await saveModel(exported, output, { dtype });
    const result = {
      output,
      tasks,
      condition,
      sets,
      parameters: {
        trained: model.parameters.size,
        exported: exported.parameters.size,
      },
    };
    logger.info(`export ${options.run} -> ${output}`);
    return result;
  });
};
