/** An auxiliary loss of routers of tokens as a record: a name, and how it is computed with its gradient. */
import { call, ruleOf, rules, shaped, type NamedRecord, type RecordShape } from '@polygate/core';
import type { TokenChoices } from './token-choice.ts';

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
}

/** An auxiliary loss by name. */
export interface AuxiliaryLoss extends NamedRecord {
  /** The loss of one router over its visible tokens, and how to get dL / dlogits [N, E], zero at padding. */
  evaluate(input: AuxiliaryLossInput): { readonly value: number; gradient(): Float32Array };
}

/** What the fields of an {@link AuxiliaryLoss} must be. */
export const auxiliaryLossShape: RecordShape<AuxiliaryLoss> = {
  evaluate: call(
    shaped({
      value: ruleOf('a number', (value) => typeof value === 'number'),
      gradient: rules.function,
    }),
  ),
};
