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
import type { Random } from '@polygate/core';
import {
  routeTokens,
  type SiteParameters,
  type TokenDecision,
  type TokenRouterStack,
} from '@polygate/routers';
import { dispatchedLinear } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { BlockLinears } from '../blocks/block-linears.ts';
import type { ResolvedExperts } from '../config/expert-config.ts';
import type { ExpertTable } from './expert-table.ts';

/** What dispatched linears work on. All borrowed. */
export interface DispatchedLinearsOptions {
  /** Linears that are not conditional. */
  readonly dense: BlockLinears;
  readonly table: ExpertTable;
  readonly stack: TokenRouterStack;
  /** Of all sites, taken apart for this forward. */
  readonly parameters: SiteParameters;
  readonly experts: Pick<ResolvedExperts, 'capacityFactor' | 'batchPriority'>;
  readonly training: boolean;
  /** Needed in training with noise; advanced at every site. */
  readonly random: Random | undefined;
  /** [B, T] 1 at tokens that count, 0 at padding. @default all count */
  readonly visible: tf.Tensor2D | undefined;
  /** [B, T] 1 at tokens that routers may take for context. @default visible */
  readonly context: tf.Tensor2D | undefined;
}

/** The linears of a forward, with the decisions that they have met so far by site. */
export interface DispatchedLinears extends BlockLinears {
  readonly decisions: ReadonlyMap<number, TokenDecision>;
}

export const dispatchedLinears = (options: DispatchedLinearsOptions): DispatchedLinears => {
  const { dense, table, stack, parameters, experts, training, random, visible, context } = options;
  const { capacityFactor, batchPriority } = experts;
  const decisions = new Map<number, TokenDecision>();
  /** What the tokens that routers gave back were. */
  const sources = new WeakMap<tf.Tensor3D, tf.Tensor3D>();
  const limit =
    capacityFactor === 'dropless' ? capacityFactor : capacityFactor[training ? 'train' : 'evaluate'];

  const route = (site: number, tokens: tf.Tensor3D): TokenDecision => {
    const known = decisions.get(site);
    if (known) return known;
    const seen = { site, tokens, ...(visible ? { visible } : {}), ...(context ? { context } : {}) };
    const settings = { parameters, training, random, capacityFactor: limit, batchPriority };
    const decision = routeTokens(stack, seen, settings);
    decisions.set(site, decision);
    sources.set(decision.tokens, tokens);
    return decision;
  };
  /** Prompts are a sequence of their own that nothing is dropped from; they count in no loss. */
  const routePrompts = (site: number, tokens: tf.Tensor3D): TokenDecision =>
    routeTokens(stack, { site, tokens }, { parameters, training, random, capacityFactor: 'dropless' });

  return {
    decisions,
    apply(x, place, { activation = 'none', prompts = false, seen = x } = {}) {
      const site = table.site(place);
      if (site === undefined) return dense.apply(x, place, { activation });
      const { gates, plan, tokens } = prompts ? routePrompts(site, x) : route(site, seen);
      // The first linear of a site goes on with what its router gives back; a later one has an input of its own.
      const own = sources.get(tokens) === x ? tokens : x;
      return dispatchedLinear(own, { gates, plan, experts: table.experts(place), activation });
    },
  };
};
