/** Items of several sources in the order of a mixture, read ahead of the consumer. */
import { ownValue, unknownName } from '@polygate/core';
import type { Draw, Mixture } from './mixture.ts';
import { turn } from './ordered.ts';

/** An item and the draw that it answers. */
export interface MixedBatch<Batch> extends Draw {
  readonly batch: Batch;
}

/** Batches by number, such as a batch source. */
export interface NumberedBatches<Batch> {
  /** The same for the same number, always; the draw that asks for it is given beside it. */
  batch(index: number, draw: Draw): Promise<Batch> | Batch;
}

/** How far to read ahead. */
export interface MixedOptions {
  /** Batches in flight or ready, the next one included. @default 4 */
  readonly ahead?: number;
  /** Step to stop before. @default without end */
  readonly end?: number;
  readonly signal?: AbortSignal;
}

/**
 * Batches by the draws of a mixture. The mixture counts a draw when its batch is handed out and not before, so its state
 * is always that of the consumer.
 * @throws ConfigError when the mixture names a source that is not given
 */
export async function* mixBatches<Batch>(
  mixture: Mixture,
  sources: Readonly<Record<string, NumberedBatches<Batch>>>,
  { ahead = 4, end = Infinity, signal }: MixedOptions = {},
): AsyncGenerator<MixedBatch<Batch>, void, undefined> {
  for (const name of mixture.names) {
    if (ownValue(sources, name) === undefined)
      throw unknownName('mixture source', name, Object.keys(sources));
  }
  const read = async (draw: Draw): Promise<Batch> =>
    (sources[draw.name] as NumberedBatches<Batch>).batch(draw.cursor, draw);
  const start = (draw: Draw): Promise<Batch> => {
    const batch = read(draw);
    batch.catch(() => {}); // it is reported when its turn comes
    return batch;
  };
  const planned: Promise<Batch>[] = [];
  for (;;) {
    signal?.throwIfAborted();
    const { step } = mixture.state();
    if (step >= end) return;
    const draws = mixture.peek(Math.min(Math.max(1, ahead), end - step));
    planned.push(...draws.slice(planned.length).map(start));
    const batch = await (planned[0] as Promise<Batch>);
    signal?.throwIfAborted();
    planned.shift();
    yield { ...mixture.next(), batch };
    await turn();
  }
}
