/**
 * What generation asks of a model: log-probabilities of the next token of texts that stand behind sequences. A model that keeps keys
 * and values computes new tokens alone; any other encodes the whole anew, by `wholeDecoder`, to the same log-probabilities.
 */
import type { AttributeRow } from '@polygate/attributes';
import type { SequenceBatch } from '@polygate/modalities';
import type { TaskTargets } from '../task.ts';
import type { TextRow } from './token-rules.ts';

/** Where texts begin, and what their tokens are scored against. */
export interface TextStart {
  /** I sequences: the texts of a sample stand behind its sequence, see it whole, and are not seen by it. */
  readonly inputs: SequenceBatch;
  /** Attributes of tokens and queries. */
  readonly row: AttributeRow;
  /** <|spe|>: stands at the place of the next token and is compared with the candidates. */
  readonly queryToken: number;
  /** V candidates; number v stands for token v. */
  readonly targets: TaskTargets;
  /** Name of the learned temperature. */
  readonly temperature: string;
}

/** Log-probabilities of next tokens. Belongs to who asked for it: `dispose` frees what it keeps. */
export interface TextDecoder extends Disposable {
  /**
   * Log-probabilities [rows * V] of the token behind each text; NaN where scores have no softmax. Rows of one sample follow each other, and all have equal numbers of
   * tokens: none in the first call, and in every other one more than in the call before, behind a text that was asked about
   * then. Samples that are left out do not come back.
   * @throws StateError for other texts
   */
  next(rows: readonly TextRow[]): Promise<Float32Array>;
}

/** How a decoder is made. */
export interface DecoderOptions {
  /** Task of the model that the texts serve, for routers that look at it. @default none */
  readonly task?: string | undefined;
}
