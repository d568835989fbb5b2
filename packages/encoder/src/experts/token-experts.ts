/**
 * Linears whose experts every token chooses for itself (Uni-Perceiver-MoE, Eq. 2, 3, 5 and 6). The router of a site looks
 * at the normed input of its branch; the linears that follow its decision reuse gates and slots. A token without a slot
 * gives 0, so that the residual connection passes it on, and so does padding.
 *
 * B batch · L tokens · E experts
 *
 * A second linear with a gate of its own sees its own input in attention (the attended values) and the normed input of
 * the branch in the feed-forward part, whose hidden channels a router of the model's width can't read.
 */
import { sharedRandom, type Random } from '@polygate/core';
import {
  routeTokens,
  unstackRouters,
  type TokenDecision,
  type TokenRun,
  type WholeBatch,
} from '@polygate/routers';
import { dispatchedLinear } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { AdapterForward } from '../adapters/adapter.ts';
import type { BlockLinears } from '../blocks/block-linears.ts';
import type { LiveGroup } from './expert-group.ts';
import { applyWhole } from './whole-experts.ts';

/** What token experts work on. All borrowed. */
export interface TokenExpertsOptions {
  readonly training: boolean;
  /** Whether routers draw their noise in training. */
  readonly noise: boolean;
  /** Needed in training with noise; advanced at every site. */
  readonly random: Random | undefined;
  /** [B, T] 1 at tokens that count, 0 at padding. @default all count */
  readonly visible: tf.Tensor2D | undefined;
  /** [B, T] 1 at tokens that routers may take for context. @default visible */
  readonly context: tf.Tensor2D | undefined;
  /** Experts that the token at each position chooses, [T], or one number for all. */
  readonly topK: number | readonly number[];
  /** Runs of the positions of a sequence, with what is said of each. */
  readonly runs: readonly TokenRun[];
  /** What an adapter changes of the experts. */
  readonly adapted: AdapterForward;
  /** What the tokens are a part of. */
  readonly whole: WholeBatch | undefined;
}

/** The linears of a forward, with the decisions that they have met so far by site. */
export interface TokenExperts extends BlockLinears {
  readonly group: LiveGroup;
  readonly decisions: ReadonlyMap<number, TokenDecision>;
}

/** Call it inside the tidy and the tape of the forward. */
export const tokenExperts = (group: LiveGroup, options: TokenExpertsOptions): TokenExperts => {
  const { settings } = group;
  const { training, noise, random, visible, context, topK, runs, adapted, whole } = options;
  const stack = noise ? group.stack : { ...group.stack, noise: 0 };
  const { capacityFactor, batchPriority, losses } = settings;
  const parameters = unstackRouters(stack, group.parameters);
  const decisions = new Map<number, TokenDecision>();
  /** What the tokens that routers gave back were. */
  const sources = new WeakMap<tf.Tensor3D, tf.Tensor3D>();
  const limit =
    capacityFactor === 'dropless' ? capacityFactor : capacityFactor[training ? 'train' : 'evaluate'];

  const route = (site: number, tokens: tf.Tensor3D): TokenDecision => {
    const earlier = decisions.get(site);
    if (earlier) return earlier;
    const read = { site, tokens, ...(visible ? { visible } : {}), ...(context ? { context } : {}) };
    const decision = routeTokens(stack, read, {
      parameters,
      training,
      random,
      capacityFactor: limit,
      batchPriority,
      topK,
      losses: Object.keys(losses),
      runs,
      whole: whole && {
        share: whole.share,
        sum: (name, part) => whole.sum(`${settings.name}/${site}/${name}`, part),
      },
    });
    decisions.set(site, decision);
    sources.set(decision.tokens, tokens);
    return decision;
  };
  /** Prompts are a sequence of their own that nothing is dropped from; they count in no loss and go with the first segment. */
  const routePrompts = (site: number, tokens: tf.Tensor3D): TokenDecision =>
    routeTokens(
      stack,
      { site, tokens },
      {
        parameters,
        training,
        // Prompts stand before every sample: what they draw is no sample's.
        random: random && sharedRandom(random),
        capacityFactor: 'dropless',
        runs: runs.slice(0, 1).map((run) => ({ ...run, length: tokens.shape[1] })),
        topK: typeof topK === 'number' ? topK : (topK[0] ?? settings.topK),
      },
    );

  return {
    group,
    decisions,
    apply(x, ref, { activation = 'none', prompts = false, routed = x, rowWeights } = {}) {
      const site = group.siteOf(ref);
      const decision = prompts ? routePrompts(site, x) : route(site, routed);
      const { gates, plan, tokens } = decision;
      // The first linear of a site goes on with what its router gives back; a later one has an input of its own.
      const input = sources.get(tokens) === x ? tokens : x;
      const experts = group.adaptedExperts(ref, adapted);
      const members = group.sites[site]?.linears ?? [];
      if (settings.wholeExperts && members.length > 1) {
        const part = { isFirst: members[0] === ref.linear, isLast: members.at(-1) === ref.linear };
        return applyWhole(input, { decision, experts, activation, rates: rowWeights?.rates, ...part });
      }
      return dispatchedLinear(input, { gates, plan, experts, activation, weightRates: rowWeights?.rates });
    },
  };
};
