/** What evaluation and predictions of a task need of a model, whatever its architecture. */
import type { Tokenizer } from '@polygate/tokens';
import type { CandidateSet } from './candidates.ts';
import type { ResolvedImageInput } from '@polygate/modalities';
import type { TaskBatch, TaskFamily } from './task.ts';

/** A task that a model was trained on. */
export interface TrainedTask {
  readonly name: string;
  readonly family: TaskFamily;
  readonly dataset: string;
  /** Names of the classes in label order, of a classification. Models of older versions don't say. */
  readonly classes?: readonly string[];
}

/** What is scored: inputs, the positions that ask, and the candidates. */
export type ScoredBatch = Pick<TaskBatch, 'inputs' | 'queries' | 'targets' | 'temperature'>;

/** A model as tasks see it. */
export interface TaskModel {
  readonly tokenizer: Tokenizer;
  readonly image: ResolvedImageInput;
  /** Every token as a candidate, shared by all tasks of the model. */
  readonly vocabulary: CandidateSet;
  /** Longest caption, end token included. */
  readonly maximumTokens: number;
  /** Tasks that it was trained on; empty where it doesn't say. */
  readonly tasks: readonly TrainedTask[];
  /**
   * Scores of every query against every candidate, such as scaled similarities or the logits of a head. Whole candidate
   * sets are encoded once and kept.
   * @param options `task`: name of the task that is served, where it isn't that of the inputs
   * @returns [queries * candidates], row by row
   * @throws ShapeError for sequences that don't fit the model, or tokens of another vocabulary
   */
  scores(batch: ScoredBatch, options?: { readonly task?: string | undefined }): Promise<Float32Array>;
}
