/**
 * Linears of experts with one decision per row: the chosen experts of a row are merged on the tape, so gradients reach
 * them and their router (Uni-Perceiver-MoE, section 3.3).
 */
import type { GateDecision } from '@polygate/routers';
import { conditionalLinear, type SegmentSpan } from '@polygate/tensor';
import type { BlockLinears } from '../blocks/block-linears.ts';
import type { ExpertTable } from './expert-table.ts';

/** What decided linears work on. All borrowed. */
export interface DecidedLinearsOptions {
  /** Linears that are not conditional. */
  readonly dense: BlockLinears;
  readonly table: ExpertTable;
  /** One decision per site, over the rows that the spans name. */
  readonly decisions: readonly GateDecision[];
  readonly spans: readonly SegmentSpan[];
}

export const decidedLinears = ({ dense, table, decisions, spans }: DecidedLinearsOptions): BlockLinears => ({
  apply(x, place, options = {}) {
    const site = table.site(place);
    const decision = site === undefined ? undefined : decisions[site];
    if (!decision) return dense.apply(x, place, options);
    const { activation = 'none', prompts = false } = options;
    const segments = prompts ? [{ row: spans[0]?.row ?? 0, start: 0, length: x.shape[1] }] : spans;
    const { gates, chosen } = decision;
    return conditionalLinear(x, { gates, chosen, experts: table.experts(place), segments, activation });
  },
});
