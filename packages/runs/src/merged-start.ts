/** A model to be fine-tuned whose experts were merged, here or by an export: dense weights for the segments of its tasks. */
import { ConfigError, createRandom, PolygateError } from '@polygate/core';
import { architectureOf, createModel, taskSegments, type Generalist } from '@polygate/generalist';
import { copyParameters } from '@polygate/nn';
import type { TrainedTask } from '@polygate/tasks';

export interface MergedStartOptions {
  readonly tasks: readonly TrainedTask[];
  readonly dropPath?: number | undefined;
}

/** The start with its experts merged for the tasks; the caller's. @throws ConfigError for one whose experts can't be */
const merged = (start: Generalist, tasks: readonly TrainedTask[]): Generalist => {
  try {
    const made = start.exports?.merged?.({ rows: tasks.flatMap(taskSegments) }).model;
    if (made) return made;
  } catch (error) {
    if (!(error instanceof PolygateError) || error.code !== 'nothing-to-merge') throw error;
  }
  throw new ConfigError(
    'tune: expected a model with experts for experts=merged, got one without; leave tune.experts out',
    { code: 'nothing-to-merge' },
  );
};

/**
 * A model of the start's weights for other tasks, its experts merged. The start stays the caller's.
 * @throws ConfigError for a start that has no experts to merge, or was exported for other segments than the tasks have
 */
export const mergedStart = (start: Generalist, { tasks, dropPath }: MergedStartOptions): Generalist => {
  if (start.base) {
    throw new ConfigError(
      'tune: expected a model without an adapter, got one that has one on its base; export it first, or tune the base',
      { code: 'base-adapted' },
    );
  }
  const lacking = start.isExported ? tasks.find((task) => !start.serves(task)) : undefined;
  if (lacking) {
    throw new ConfigError(
      `tune: expected a model that was exported for the segments of ${lacking.family}, got one that has no weights for them; tune the run that it was exported from, or export that anew for a task of this family`,
      { code: 'row-missing', fields: { task: lacking.name } },
    );
  }
  const source = start.isExported ? start : merged(start, tasks);
  try {
    const config = architectureOf(source.config).forTasks?.(source.config, { tasks, dropPath });
    const model = createModel(config ?? { ...source.config, tasks }, source.tokenizer, createRandom(0));
    copyParameters(source.parameters, model.parameters);
    return model;
  } finally {
    if (source !== start) source.dispose();
  }
};
