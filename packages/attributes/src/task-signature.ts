/** What a task reads and what it compares with, by modality: all that attribute rows know of a task. */
import { ConfigError } from '@polygate/core';

/**
 * The kind of data of a segment, as attributes speak of it: `visual` (images and video alike), `text`, or the group of
 * another modality, whose bits are there where a model's schema has it.
 */
export type Modality = string;

export interface TaskSignature {
  /** Modalities of the input sequence; at least one. Words that the model completes (captioning) are inputs too. */
  readonly inputs: readonly Modality[];
  /** Modalities of the candidates that inputs are compared with; at least one. */
  readonly targets: readonly Modality[];
}

/** The sides of a signature: where a token comes from. */
export type TokenSource = 'input' | 'target';

/** Modalities of one side. @throws ConfigError when the signature lacks them */
export const modalitiesOf = (signature: TaskSignature, source: TokenSource): readonly Modality[] => {
  const modalities = source === 'input' ? signature.inputs : signature.targets;
  if (modalities.length === 0) {
    throw new ConfigError(
      `task signature: expected at least one modality among its ${source}s, got none; ` +
        "name what the task reads and compares with, such as { inputs: ['visual'], targets: ['text'] }",
      { code: 'empty-signature', fields: { source } },
    );
  }
  return modalities;
};

/**
 * The signature of a candidate set that several tasks share: it exists in the inputs (targets) of the union if it does
 * in those of any task. The vocabulary, shared by masked language modelling and captioning, gets its row this way.
 */
export const unionSignature = (first: TaskSignature, ...others: readonly TaskSignature[]): TaskSignature => {
  const join = (source: TokenSource): readonly Modality[] =>
    Object.freeze(
      [...new Set([first, ...others].flatMap((signature) => modalitiesOf(signature, source)))].sort(),
    );
  return Object.freeze({ inputs: join('input'), targets: join('target') });
};
