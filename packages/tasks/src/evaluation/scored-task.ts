/** Which task a split is scored for: one that the model was trained on, or one that it never saw and is described. */
import type { TrainedTask } from '../model.ts';
import { servedTask, servingTask } from '../serving.ts';
import type { SplitContext } from './context.ts';

/** What evaluators need of the task. */
export interface ScoredTask {
  /** Its settings; undefined where the model was trained on none of the family, or doesn't say. */
  readonly task: TrainedTask | undefined;
  /** Task of the model that `scores` is asked for. */
  readonly serving: string | undefined;
  /** Begins the names of reports: the dataset, or the described task. */
  readonly name: string;
}

/** The task that a context scores: the one that it describes, else the one of the family that was trained on the dataset. */
export const scoredTask = (
  { model, dataset, task }: Pick<SplitContext, 'model' | 'dataset' | 'task'>,
  family: string,
): ScoredTask => {
  if (!task) {
    const options = { dataset: dataset.name };
    const trained = servedTask(model, family, options);
    return { task: trained, serving: servingTask(model, family, options), name: dataset.name };
  }
  const { name, settings = {}, servedBy } = task;
  return { task: { name, family, dataset: dataset.name, settings }, serving: servedBy, name };
};
