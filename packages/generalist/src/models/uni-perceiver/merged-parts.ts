/** Models for use alone: experts merged into dense weights for the segments that given tasks meet. */
import { ConfigError, unknownName } from '@polygate/core';
import { exportMerged as mergeEncoder, type Encoder } from '@polygate/encoder';
import type { MergedEncoder } from '@polygate/encoder/merged';
import type { TrainedTask } from '@polygate/tasks';
import type { Tokenizer } from '@polygate/tokens';
import type { ExportChoice, ExportedModel } from '../model.ts';
import { isTrained } from './routing.ts';
import type { UniPerceiverConfig } from './uni-perceiver-config.ts';
import { taskSegments } from '../../task-segments.ts';

const chosenTasks = (trained: readonly TrainedTask[], names: readonly string[]): readonly TrainedTask[] => {
  if (trained.length === 0) {
    throw new ConfigError(
      'export: expected a model that says which tasks it was trained on, got one whose config.json names none; give the rows instead',
    );
  }
  return names.map((name) => {
    const task = trained.find((each) => each.name === name);
    if (!task) {
      throw unknownName(
        'task',
        name,
        trained.map((each) => each.name),
      );
    }
    return task;
  });
};

/** What a model is made of. */
interface ModelParts<E extends Encoder = Encoder> {
  readonly encoder: E;
  readonly config: UniPerceiverConfig;
  readonly tokenizer: Tokenizer;
}

/**
 * The parts of a model whose experts are merged for the chosen segments; the encoder is the caller's.
 * @throws ConfigError for a task that the model doesn't know, or experts that can't be merged (saying why)
 */
export const mergedParts = (
  { encoder, config, tokenizer }: ModelParts,
  choice: ExportChoice,
): ModelParts<MergedEncoder> => {
  if (!isTrained(encoder)) {
    throw new ConfigError(
      'export: expected a trained model, got one that was exported before; give the run that it was exported from',
      { code: 'nothing-to-merge' },
    );
  }
  const { tasks: trained = [] } = config;
  const tasks = 'tasks' in choice ? chosenTasks(trained, choice.tasks) : trained;
  const merged = mergeEncoder(encoder, 'rows' in choice ? choice.rows : tasks.flatMap(taskSegments));
  const kept = { ...config, encoder: merged.config, ...(config.tasks ? { tasks } : {}) };
  return { encoder: merged, config: kept, tokenizer };
};

/** What reports say of an export. */
export const mergedFacts = ({ config }: MergedEncoder): Pick<ExportedModel, 'condition' | 'sets'> => {
  const { groups } = config.merged;
  const conditions = new Set(groups.map(({ condition }) => condition));
  const sets = groups.map(({ rows }) => new Set(rows.map(({ set }) => set)).size);
  return { condition: [...conditions].join(' and '), sets: Math.max(...sets) };
};
