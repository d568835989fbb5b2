/**
 * Segments of tokens that are vectors of numbers: patches of series and grids, columns of tables, elements of sets.
 *
 * B sequences · L tokens · W values of a token
 */
import type { Segment } from '../segment.ts';

/** A segment of vectors. */
export type VectorSegment = Segment<
  {
    /** [B * L * W], standardised; 0 where nothing was observed. */
    readonly tokens: Float32Array;
  },
  {
    /** Name of the input: inputs of one name and width share their projection. */
    readonly input: string;
    /** W */
    readonly width: number;
    /** Tokens of one step of the first of two axes; 0 where there is one axis. */
    readonly columns: number;
  }
>;
