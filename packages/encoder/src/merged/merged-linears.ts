/**
 * Linears of one merged weight set per row (Uni-Perceiver-MoE, section 3.3): a dense product for each run of tokens of
 * equal row, no gates and no experts.
 */
import { linear, segmentLinear, type LinearExpert, type SegmentSpan } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { BlockLinears, LinearPlace } from '../blocks/block-linears.ts';

/** What merged linears work on. All borrowed. */
export interface MergedLinearsOptions {
  /** Linears that are not conditional. */
  readonly dense: BlockLinears;
  /** Runs of equal rows that cover the sequence. */
  readonly spans: readonly SegmentSpan[];
  /** Merged weights of a conditional linear by row, as the spans number them; undefined for a dense one. */
  readonly of: (place: LinearPlace) => readonly LinearExpert[] | undefined;
}

export const mergedLinears = ({ dense, spans, of }: MergedLinearsOptions): BlockLinears => ({
  apply(x, place, options = {}) {
    const merged = of(place);
    if (!merged) return dense.apply(x, place, options);
    const { activation = 'none', prompts = false } = options;
    const [first] = spans;
    const single = prompts || spans.length === 1 ? merged[first?.row ?? 0] : undefined;
    // One row for the whole sequence: a plain linear, which can fuse its activation.
    if (single) return linear(x, single.weight, single.bias, { activation }) as tf.Tensor3D;
    return segmentLinear(x, merged, spans, { activation });
  },
});
