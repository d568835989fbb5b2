/**
 * What evaluators and predictions of task families need of a model: scores of queries against candidates, and what is
 * known of its data. They use nothing else, so that any model that answers this is evaluated and asked alike.
 */
import type { Tokenizer } from '@polygate/tokens';
import type { CandidateSet } from './candidates.ts';
import type { DecoderOptions, TextDecoder, TextStart } from './generation/text-decoder.ts';
import type { ResolvedImageInput } from '@polygate/modalities';
import type { TaskBatch } from './task.ts';

/** A task that a model was trained on. */
export interface TrainedTask {
  readonly name: string;
  /** Name of its task family. */
  readonly family: string;
  readonly dataset: string;
  /** Names of the classes in label order, of a classification. Models of older versions don't say. */
  readonly classes?: readonly string[];
  /** What the family keeps of its settings for predictions. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** What is scored of a batch. */
export type ScoredBatch = Pick<TaskBatch, 'inputs' | 'queries' | 'targets' | 'temperature'>;

export interface ScoreOptions {
  /** Task of the model that the batch serves, for routers that look at it. @default the batch's own */
  readonly task?: string | undefined;
  /** Without it similarities stay cosines, -1 to 1, where the model has them. @default true */
  readonly scaled?: boolean;
}

/** A model, by what task families ask of it. */
export interface TaskModel {
  readonly tokenizer: Tokenizer;
  /** Images that it reads. */
  readonly image: ResolvedImageInput;
  /** Every token as a candidate; one set for all tasks, so that its features are encoded once. */
  readonly vocabulary: CandidateSet;
  /** Longest caption or name in tokens, end token included. */
  readonly maximumTokens: number;
  /** Empty where the model doesn't say what it was trained on. */
  readonly tasks: readonly TrainedTask[];
  /**
   * Scores [Q * C], row by row: scaled similarities, or logits of a head. Sequences are encoded in pieces that bound the
   * memory; the features of whole candidate sets are kept until the model changes.
   */
  scores(batch: ScoredBatch, options?: ScoreOptions): Promise<Float32Array>;
  /**
   * Log-probabilities of texts that grow token by token, by keys and values that are kept: the start is encoded once. Equal
   * to those of whole sequences up to rounding.
   * @default none: every step encodes whole sequences
   * @returns undefined where it can't, because experts of a token hang on other tokens
   */
  decoder?(start: TextStart, options?: DecoderOptions): TextDecoder | undefined;
}
