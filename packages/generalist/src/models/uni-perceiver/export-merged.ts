/** Models for use alone: experts merged into dense weights for the segments that given tasks meet. */
import { ConfigError, unknownName } from '@polygate/core';
import { exportMerged as mergeEncoder } from '@polygate/encoder';
import type { MergedEncoder } from '@polygate/encoder/merged';
import type { TrainedTask } from '@polygate/tasks';
import type { ExportChoice, ExportedModel } from '../model.ts';
import { isTrained } from './routing.ts';
import { modelWithEncoder, type UniPerceiverModel } from './uni-perceiver-model.ts';
import { taskSegments } from '../../task-segments.ts';

const chosenTasks = (known: readonly TrainedTask[], names: readonly string[]): readonly TrainedTask[] => {
  if (known.length === 0) {
    throw new ConfigError(
      'export: expected a model that says which tasks it was trained on, got one whose config.json names none; give the rows instead',
    );
  }
  return names.map((name) => {
    const task = known.find((each) => each.name === name);
    if (!task) {
      throw unknownName(
        'task',
        name,
        known.map((each) => each.name),
      );
    }
    return task;
  });
};

/**
 * The model with the experts of the chosen segments merged: the same predictions for them, no routers, no other experts.
 * It shares nothing with the model, and is saved and loaded like one.
 * @throws ConfigError for a task that the model doesn't know, or experts that can't be merged (saying why)
 */
export const exportMerged = (
  model: UniPerceiverModel,
  choice: ExportChoice,
): UniPerceiverModel<MergedEncoder> => {
  const { encoder, tokenizer, config } = model;
  if (!isTrained(encoder)) {
    throw new ConfigError(
      'export: expected a trained model, got one that was exported before; give the run that it was exported from',
      { code: 'nothing-to-merge' },
    );
  }
  const { tasks: known = [] } = config;
  const tasks = 'tasks' in choice ? chosenTasks(known, choice.tasks) : known;
  const merged = mergeEncoder(encoder, 'rows' in choice ? choice.rows : tasks.flatMap(taskSegments));
  const kept = { ...config, encoder: merged.config, ...(config.tasks ? { tasks } : {}) };
  return modelWithEncoder(merged, { config: kept, tokenizer });
};

/** {@link exportMerged} with what reports say of it. */
export const exportedOf = (model: UniPerceiverModel, choice: ExportChoice): ExportedModel => {
  const exported = exportMerged(model, choice);
  const { groups } = exported.encoder.config.merged;
  const conditions = new Set(groups.map(({ condition }) => condition));
  const sets = groups.map(({ rows }) => new Set(rows.map(({ set }) => set)).size);
  return { model: exported, condition: [...conditions].join(' and '), sets: Math.max(...sets) };
};
