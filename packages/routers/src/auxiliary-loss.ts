/** An auxiliary loss of routers of tokens as a record: a name, and how it is computed with its gradient. */
import {
  call,
  oneOf,
  optional,
  ruleOf,
  rules,
  shaped,
  type NamedRecord,
  type RecordShape,
} from '@polygate/core';
import type { ExpertSum } from '@polygate/tensor';
import type { TokenChoices } from './token-choice.ts';
import type { WholeBatch } from './whole-batch.ts';

/** What a loss is computed from. All borrowed. */
export interface AuxiliaryLossInput {
  readonly choices: TokenChoices;
  /** [N, E] logits without noise. */
  readonly clean: Float32Array;
  /** [N, E] logits that the choice was made from. */
  readonly noisy: Float32Array;
  /** Standard deviation of the noise on the logits; 0 outside training. */
  readonly noise: number;
  /** As the rule of the gates says it. @default for tokens that choose more than one expert */
  readonly renormalize: boolean | undefined;
  /** What the tokens are a part of: a loss that has `sums` is that of the whole sums then. @default they are all */
  readonly whole?: WholeBatch | undefined;
}

/** A loss as a function of one number for each expert, which engines sum up as they decide. */
export interface LossOfSums {
  readonly of: ExpertSum;
  /** @param sums [E] over the visible tokens of one router */
  evaluate(sums: Float64Array): {
    readonly value: number;
    /** dL / dsums [E] */
    gradient(): Float64Array;
  };
}

/** An auxiliary loss by name. */
export interface AuxiliaryLoss extends NamedRecord {
  /** The loss of one router over its visible tokens, and how to get dL / dlogits [N, E], zero at padding. */
  evaluate(input: AuxiliaryLossInput): { readonly value: number; gradient(): Float32Array };
  /**
   * The same loss as a function of sums. Engines that decide for tokens compute a loss that has it; one that has not
   * brings all decisions of its router to the host. @default no such function
   */
  readonly sums?: LossOfSums | undefined;
}

const result = shaped({
  value: ruleOf('a number', (value) => typeof value === 'number'),
  gradient: rules.function,
});

/** What the fields of an {@link AuxiliaryLoss} must be. */
export const auxiliaryLossShape: RecordShape<AuxiliaryLoss> = {
  evaluate: call(result),
  sums: optional(shaped({ of: oneOf('gates', 'chances'), evaluate: call(result) })),
};
