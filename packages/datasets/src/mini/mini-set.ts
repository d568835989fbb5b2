import type { Reader, Sample } from '../samples/sample.ts';

/** A part of the mini suite: its samples, and the split of each by a rule that holds in every dataset made of them. */
export interface MiniSet<Split extends string = string> {
  readonly reader: Reader;
  /** The split of one of the reader's samples. */
  splitOf(sample: Sample): Split;
}
