/**
 * Floating-point operations, a multiplication and an addition counting as two. Norms, softmax, activations and
 * embedding look-ups are left out: below two percent of the whole at these sizes.
 *
 * L tokens of a sequence · D width · F hidden · P values of a patch · E experts · K chosen experts · S routers
 */
import { accountParameters } from './accounting.ts';
import { resolveEncoderConfig, type EncoderConfig, type ResolvedEncoderConfig } from '../config/config.ts';
import { conditionOf } from '../config/expert-config.ts';
import { BLOCK_LINEARS, gateSites, isConditional, linearShape } from '../experts/placement.ts';

/** The sequence that is counted. */
export interface FlopsOptions {
  /** Tokens of the sequence, its prefix token included. */
  readonly length: number;
  /** How many of them are patches. @default 0 */
  readonly patches?: number;
  /** Hidden states that go through the output head. @default 1 */
  readonly queries?: number;
  /** Distinct rows of the forward, e.g. 2 for a picture with words. @default 1 */
  readonly rows?: number;
  /** Sequences of the forward, which share the cost of merging. @default 1 */
  readonly batch?: number;
}

/** Operations of one sequence. */
export interface FlopsAccount {
  /**
   * The four linears of all blocks. Experts of rows are merged, so a conditional layer costs what a dense one does;
   * where every token chooses K experts it costs K times as much, if none is dropped.
   */
  readonly linears: number;
  /** Both products of attention. */
  readonly attention: number;
  readonly patches: number;
  readonly head: number;
  /** Routers that look at tokens: their gates and, by context, the attention pool of the sequence. */
  readonly routing: number;
  /** Sum of the above: a forward with merged weights at hand, of experts chosen by tokens, or of a dense encoder. */
  readonly forward: number;
  readonly perToken: number;
  /** This sequence's share of merging the experts of all rows in a training forward. */
  readonly merging: number;
  /** Forward, backward (twice a forward) and merging with its backward. */
  readonly training: number;
}

/** Multiplications of all linears for one token, and those of the conditional ones alone. */
const linearSizes = (
  config: ResolvedEncoderConfig,
): { readonly all: number; readonly conditional: number } => {
  let all = 0;
  let conditional = 0;
  for (let block = 0; block < config.layers; block += 1) {
    for (const name of BLOCK_LINEARS) {
      const [out, input] = linearShape(name, config);
      all += out * input;
      if (isConditional(config.moe, block, name)) conditional += out * input;
    }
  }
  return { all, conditional };
};

/** Routers that look at tokens, as their condition declares. */
const routingFlops = (config: ResolvedEncoderConfig, length: number): number => {
  const { moe, width } = config;
  if (!moe) return 0;
  const condition = conditionOf(moe);
  if (condition.dataIndependent) return 0;
  const sites = gateSites(config).length;
  const { decision, sequence = 0 } = condition.flops({ width, sites, experts: moe.experts });
  return sites * (length * decision + sequence);
};

/** Counts the operations of one sequence. @throws ConfigError for a configuration that makes no encoder */
export const countFlops = (config: EncoderConfig, options: FlopsOptions): FlopsAccount => {
  const resolved = resolveEncoderConfig(config);
  const { layers, width, patch, moe } = resolved;
  const { length, patches = 0, queries = 1, rows = 1, batch = 1 } = options;
  const byRow = moe !== undefined && conditionOf(moe).dataIndependent;
  const { all, conditional } = linearSizes(resolved);
  const extra = moe && !byRow ? (moe.topK - 1) * conditional : 0;
  const linears = length * 2 * (all + extra);
  const attention = layers * 2 * 2 * length * length * width;
  const patchFlops = patches * 2 * patch.size * patch.size * patch.channels * width;
  const head = queries * 2 * width * width;
  const routing = routingFlops(resolved, length);
  const forward = linears + attention + patchFlops + head + routing;
  // A product and a sum for each weight and bias of each chosen expert of each row.
  const merging = byRow ? (rows * 2 * moe.topK * accountParameters(config).mergedSet) / batch : 0;
  // Backward of merging: a product with each chosen expert for its gate, and a scaled copy for its gradient.
  const mergingBackward = merging + merging / 2;
  return {
    linears,
    attention,
    patches: patchFlops,
    head,
    routing,
    forward,
    perToken: forward / length,
    merging,
    training: 3 * forward + merging + mergingBackward,
  };
};
