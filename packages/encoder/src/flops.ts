/**
 * Floating-point operations, a multiplication and an addition counting as two. Norms, softmax, activations and
 * embedding look-ups are left out: below two percent of the whole at these sizes.
 *
 * L tokens of a sequence · D width · F hidden · P values of a patch · K chosen experts
 */
import { resolveEncoderConfig, type EncoderConfig } from './config.ts';
import { accountParameters } from './accounting.ts';

/** The sequence that is counted. */
export interface FlopsOptions {
  /** Tokens of the sequence, its prefix token included. */
  readonly length: number;
  /** How many of them are patches. @default 0 */
  readonly patches?: number;
  /** Hidden states that go through the output head. @default 1 */
  readonly queries?: number;
  /** Distinct attribute rows of the forward. @default 1 */
  readonly rows?: number;
  /** Sequences of the forward, which share the cost of merging. @default 1 */
  readonly batch?: number;
}

/** Operations of one sequence. */
export interface FlopsAccount {
  /** The four linears of all blocks; experts are merged, so a conditional layer costs what a dense one does. */
  readonly linears: number;
  /** Both products of attention. */
  readonly attention: number;
  readonly patches: number;
  readonly head: number;
  /** Sum of the above: a forward with merged weights at hand, or of a dense encoder. */
  readonly forward: number;
  readonly perToken: number;
  /** This sequence's share of merging the experts of all rows in a training forward. */
  readonly merging: number;
  /** Forward, backward (twice a forward) and merging with its backward. */
  readonly training: number;
}

/** Counts the operations of one sequence. @throws ConfigError for a configuration that makes no encoder */
export const countFlops = (config: EncoderConfig, options: FlopsOptions): FlopsAccount => {
  const resolved = resolveEncoderConfig(config);
  const { layers, width, hidden, patch, moe } = resolved;
  const { length, patches = 0, queries = 1, rows = 1, batch = 1 } = options;
  const linears = length * layers * 2 * (4 * width * width + 2 * width * hidden);
  const attention = layers * 2 * 2 * length * length * width;
  const patchFlops = patches * 2 * patch.size * patch.size * patch.channels * width;
  const head = queries * 2 * width * width;
  const forward = linears + attention + patchFlops + head;
  const merging = moe ? (rows * 2 * moe.topK * accountParameters(config).mergedSet) / batch : 0;
  // Backward of merging: a product with each chosen expert for its gate, and a scaled copy for its gradient.
  const mergingBackward = merging + merging / 2;
  return {
    linears,
    attention,
    patches: patchFlops,
    head,
    forward,
    perToken: forward / length,
    merging,
    training: 3 * forward + merging + mergingBackward,
  };
};
