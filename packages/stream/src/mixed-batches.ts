/** Items of several sources in the order of a mixture, read ahead on a guess that a change of weights discards. */
import { ownValue, unknownName } from '@polygate/core';
import type { Draw, Mixture } from './mixture.ts';
import { DEFAULT_PREFETCH_BYTES, turn } from './ordered.ts';

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
export interface MixedOptions<Batch> {
  /** Batches in flight or ready, the next one included. @default 4 */
  readonly ahead?: number;
  /** Bytes of batches in flight or ready, each counted as the largest so far; the next one is always read. @default 67108864 */
  readonly bytes?: number;
  /** Bytes of a batch; until a first one shows how large they are, batches are read one at a time. @default not counted */
  readonly sizeOf?: (batch: Batch) => number;
  /** Step to stop before. @default without end */
  readonly end?: number;
  readonly signal?: AbortSignal;
}

interface Planned<Batch> {
  readonly key: string;
  readonly batch: Promise<Batch>;
}

/**
 * Batches by the draws of a mixture. The mixture counts a draw when its batch is handed out and not before, so its state
 * is always that of the consumer; batches read ahead under weights that were changed meanwhile are dropped unseen.
 * @throws ConfigError when the mixture names a source that is not given
 */
export async function* mixBatches<Batch>(
  mixture: Mixture,
  sources: Readonly<Record<string, NumberedBatches<Batch>>>,
  options: MixedOptions<Batch> = {},
): AsyncGenerator<MixedBatch<Batch>, void, undefined> {
  const { ahead = 4, bytes = DEFAULT_PREFETCH_BYTES, sizeOf, end = Infinity, signal } = options;
  for (const name of mixture.names) {
    if (ownValue(sources, name) === undefined)
      throw unknownName('mixture source', name, Object.keys(sources));
  }
  const keyOf = ({ step, name, cursor }: Draw): string => `${step}:${cursor}:${name}`;
  let planned: readonly Planned<Batch>[] = [];
  let largest = 0;
  const read = async (draw: Draw): Promise<Batch> => {
    const batch = await (sources[draw.name] as NumberedBatches<Batch>).batch(draw.cursor, draw);
    largest = Math.max(largest, sizeOf?.(batch) ?? 0);
    return batch;
  };
  const start = (draw: Draw): Planned<Batch> => {
    const batch = read(draw);
    batch.catch(() => {}); // it is reported when its turn comes
    return { key: keyOf(draw), batch };
  };
  /** Batches that may be held together, as far as their size is known. */
  const held = (): number => {
    if (sizeOf === undefined) return ahead;
    return largest === 0 ? 1 : Math.floor(bytes / largest);
  };

  for (;;) {
    signal?.throwIfAborted();
    const { step } = mixture.state();
    if (step >= end) return;
    const most = Math.max(1, held());
    const before = new Map(planned.map((each) => [each.key, each]));
    planned = mixture.peek(Math.min(Math.max(1, ahead), end - step)).flatMap((draw, i) => {
      const each = before.get(keyOf(draw)) ?? (i < most ? start(draw) : undefined);
      return each ? [each] : [];
    });
    const [head] = planned as [Planned<Batch>];
    const batch = await head.batch;
    signal?.throwIfAborted();
    // The weights may have changed while this was awaited: then the draw is another one.
    const [now] = mixture.peek(1) as [Draw];
    if (keyOf(now) !== head.key) continue;
    planned = planned.slice(1);
    yield { ...mixture.next(), batch };
    await turn();
  }
}
