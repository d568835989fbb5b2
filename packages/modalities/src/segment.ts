/**
 * What encoders read, as plain typed arrays: a batch of equal-length sequences made of segments, each of one modality.
 *
 * B sequences · L tokens of a segment · T = 1 + all segment lengths (position 0 is the prefix token, which the encoder
 * adds itself)
 */
import type { AttributeRow } from '@polygate/attributes';

/** Values of a segment on the host. */
export type SegmentArray = Float32Array | Int32Array | Uint8Array;

/** A run of tokens of one modality in each sequence of a batch. */
export interface Segment<
  Arrays extends Readonly<Record<string, SegmentArray>> = Readonly<Record<string, SegmentArray>>,
  Layout extends object = object,
> {
  /** Name of a registered modality, e.g. `text`; routers may look at it. */
  readonly modality: string;
  /** Values by name. Each array has the values of sequence after sequence, equally many for each: [B * values]. */
  readonly arrays: Arrays;
  /** L, tokens of each sequence. */
  readonly length: number;
  /** What all sequences of the batch share, in the modality's own terms: positions, a grid of patches. */
  readonly layout: Layout;
  /** Attributes of these tokens. */
  readonly row: AttributeRow;
}

/** A batch of sequences of equal layout. */
export interface SequenceBatch {
  /** B */
  readonly size: number;
  /** Name of the task that the sequences serve; conditions on the task route by it. Absent in shared candidate sets. */
  readonly task?: string;
  /** At least one; the prefix token has the first one's attributes. */
  readonly segments: readonly Segment[];
  /** T */
  readonly length: number;
  /** [B * T], 1 = padding that no token may attend to. Absent: no padding. */
  readonly keyPadding?: Uint8Array;
  /** [T * T], 1 = the query (row) may attend to the key (column). Absent: all see all. */
  readonly visibility?: Uint8Array;
}

/** A segment before it stands in a sequence, with the tokens of it that are padding. */
export interface SegmentRows<S extends Segment = Segment> {
  readonly segment: S;
  /** [B * L], 1 = padding. Absent: none. */
  readonly padding?: Uint8Array;
}
