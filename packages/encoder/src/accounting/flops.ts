/**
 * Floating-point operations, a multiplication and an addition counting as two. Norms, softmax, activations and
 * embedding look-ups are left out: below two percent of the whole at these sizes.
 *
 * L tokens of a sequence · D width · F hidden · E experts · K chosen experts · S routers
 */
import { ownValue, unknownName } from '@polygate/core';
import { modalityNamed } from '@polygate/modalities';
import { accountParameters } from './accounting.ts';
import { resolveEncoderConfig, type EncoderConfig, type ResolvedEncoderConfig } from '../config/config.ts';
import { blockLinears } from '../blocks/linears.ts';
import { conditionOf, type ExpertGroup } from '../config/expert-groups.ts';
import { groupSites } from '../experts/sites.ts';

/** The sequence that is counted. */
export interface FlopsOptions {
  /** Tokens of the sequence, its prefix token included. */
  readonly length: number;
  /** How many of them belong to a modality, by its name; text costs nothing, it is looked up. @default none */
  readonly tokens?: Readonly<Record<string, number>>;
  /** Hidden states that go through the output head. @default 1 */
  readonly queries?: number;
  /** Distinct rows of the forward, e.g. 2 for an image with words. @default 1 */
  readonly rows?: number;
  /** Sequences of the forward, which share the cost of merging. @default 1 */
  readonly batch?: number;
  /** Experts that a token chooses in a group, where that is another number than the configured. @default as configured */
  readonly topK?: (group: string) => number | undefined;
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
  /** What embeds the tokens, such as the projection of patches. */
  readonly embedding: number;
  readonly head: number;
  /** Routers that look at tokens, as their conditions declare: gates and, by context, the attention pool of the sequence. */
  readonly routing: number;
  /** Sum of the above: a forward with merged weights at hand, of experts chosen by tokens, or of a dense encoder. */
  readonly forward: number;
  readonly perToken: number;
  /** This sequence's share of merging the experts of all rows in a training forward. */
  readonly merging: number;
  /** Forward, backward (twice a forward) and merging with its backward. */
  readonly training: number;
}

/** Multiplications of a group's linears for one token. */
const groupSize = ({ blocks, linears }: ExpertGroup, config: ResolvedEncoderConfig): number => {
  const names = linears.flat();
  const size = blockLinears(config)
    .filter(({ name }) => names.includes(name))
    .reduce((sum, { shape: [out, input] }) => sum + out * input, 0);
  return blocks.length * size;
};

/** Counts the operations of one sequence. @throws ConfigError for a configuration that makes no encoder */
export const countFlops = (config: EncoderConfig, options: FlopsOptions): FlopsAccount => {
  const resolved = resolveEncoderConfig(config);
  const { layers, width, modalities, moe } = resolved;
  const { length, tokens = {}, queries = 1, rows = 1, batch = 1, topK: topKOf } = options;
  const { groups: accounts } = accountParameters(config);
  const all = layers * blockLinears(resolved).reduce((sum, { shape: [out, input] }) => sum + out * input, 0);
  let extra = 0;
  let routing = 0;
  let merging = 0;
  for (const [index, group] of (moe?.groups ?? []).entries()) {
    const { mergedSet = 0 } = accounts[index] ?? {};
    const topK = topKOf?.(group.name) ?? group.topK;
    const condition = conditionOf(group, moe ?? { tasks: [], modalities: [] });
    if (condition.dataIndependent) {
      // A product and a sum for each weight and bias of each chosen expert of each row.
      merging += (rows * 2 * topK * mergedSet) / batch;
      continue;
    }
    extra += (topK - 1) * groupSize(group, resolved);
    const sites = groupSites(group).length;
    const { decision, sequence = 0 } = condition.flops({ width, sites, experts: group.experts });
    routing += sites * (length * decision + sequence);
  }
  const linears = length * 2 * (all + extra);
  const attention = layers * 2 * 2 * length * length * width;
  const embedding = Object.entries(tokens).reduce((sum, [name, count]) => {
    const settings = ownValue(modalities, name);
    if (!settings) throw unknownName('modality of the encoder', name, Object.keys(modalities));
    return sum + count * (modalityNamed(name).operations?.(settings, width) ?? 0);
  }, 0);
  const head = queries * 2 * width * width;
  const forward = linears + attention + embedding + head + routing;
  // Backward of merging: a product with each chosen expert for its gate, and a scaled copy for its gradient.
  const mergingBackward = merging + merging / 2;
  return {
    linears,
    attention,
    embedding,
    head,
    routing,
    forward,
    perToken: forward / length,
    merging,
    training: 3 * forward + merging + mergingBackward,
  };
};
