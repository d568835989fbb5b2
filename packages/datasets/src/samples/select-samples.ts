import type { Fault, Reader, Sample } from './sample.ts';

/** Told of every sample that falls out, in order. */
export type FaultHandler = (fault: Fault) => void;

export interface SelectOptions {
  /** Which samples to pass on. */
  readonly accept: (sample: Sample) => boolean;
  /** Told of the reader's faults; leave it out in later passes over one reader, so that each is counted once. */
  readonly onFault?: FaultHandler;
}

/** The samples of one split of a reader. */
export async function* selectSamples(reader: Reader, options: SelectOptions): AsyncGenerator<Sample> {
  for await (const item of reader.read()) {
    if (item.kind === 'fault') options.onFault?.(item);
    else if (options.accept(item)) yield item;
  }
}
