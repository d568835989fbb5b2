/**
 * Linears of experts with one decision per row: the chosen experts of a row are merged on the tape, so gradients reach
 * them and their router (Uni-Perceiver-MoE, section 3.3). Where rows of gradients are weighted, so are those that reach
 * the router.
 */
import type { GateDecision } from '@polygate/routers';
import { conditionalLinear, type SegmentSpan } from '@polygate/tensor';
import type { BlockLinears } from '../blocks/block-linears.ts';
import { weighRows } from '../blocks/row-weights.ts';
import type { LiveGroup } from './expert-group.ts';

/** What row experts work on. All borrowed. */
export interface RowExpertsOptions {
  /** One decision per site, over the rows that the spans name. */
  readonly decisions: readonly GateDecision[];
  readonly spans: readonly SegmentSpan[];
}

export const rowExperts = (group: LiveGroup, { decisions, spans }: RowExpertsOptions): BlockLinears => ({
  apply(x, ref, { activation = 'none', prompts = false, rowWeights } = {}) {
    const { gates, chosen } = decisions[group.siteOf(ref)] as GateDecision;
    const segments = prompts ? [{ row: spans[0]?.row ?? 0, start: 0, length: x.shape[1] }] : spans;
    const options = { gates, chosen, experts: group.expertsOf(ref), segments, activation };
    return weighRows(x, rowWeights, (inner) => conditionalLinear(inner, options));
  },
});
