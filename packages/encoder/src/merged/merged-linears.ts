/**
 * Linears of one merged weight set per row (Uni-Perceiver-MoE, section 3.3): a dense product for each run of tokens of
 * equal row, no gates and no experts.
 */
import { linear, segmentLinear, type LinearExpert, type SegmentSpan } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { BlockLinears, LinearRef } from '../blocks/block-linears.ts';

/** What merged linears work on. All borrowed. */
export interface MergedLinearsOptions {
  /** Runs of equal rows that cover the sequence. */
  readonly spans: readonly SegmentSpan[];
  /** Merged weights of a linear of the group by row, as the spans number them. */
  readonly weightsOf: (ref: LinearRef) => readonly LinearExpert[];
}

/** The linears of one group. */
export const mergedLinears = ({ spans, weightsOf }: MergedLinearsOptions): BlockLinears => ({
  apply(x, ref, { activation = 'none', prompts = false } = {}) {
    const merged = weightsOf(ref);
    const [first] = spans;
    const single = prompts || spans.length === 1 ? merged[first?.row ?? 0] : undefined;
    // One row for the whole sequence: a plain linear, which can fuse its activation.
    if (single) return linear(x, single.weight, single.bias, { activation }) as tf.Tensor3D;
    return segmentLinear(x, merged, spans, { activation });
  },
});
