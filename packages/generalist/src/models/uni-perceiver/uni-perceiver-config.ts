/** What a Uni-Perceiver has in its config.json beside what every model has. */
import type { EncoderConfig, EncoderShape } from '@polygate/encoder';
import type { MergedEncoderConfig } from '@polygate/encoder/merged';
import type { ModelConfig } from '../model-config.ts';

/** A model with the encoder of configuration `E`: with its experts, dense, or with merged ones. */
export interface UniPerceiverConfig<
  E extends EncoderShape = EncoderConfig | MergedEncoderConfig,
> extends ModelConfig {
  readonly encoder: E;
}
