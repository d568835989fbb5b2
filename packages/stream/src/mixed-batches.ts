/** Batches of several sources in the order of a mixture, read ahead on a guess that a change of weights discards. */
import type { RecordBatch } from 'apache-arrow';
import { ownValue, unknownName } from '@polygate/core';
import type { Draw, Mixture } from './mixture.ts';
import { turn } from './ordered.ts';

/** A batch and the draw that it answers. */
export interface MixedBatch extends Draw {
  readonly batch: RecordBatch;
}

/** Batches by number. */
export interface NumberedBatches {
  batch(index: number): Promise<RecordBatch>;
}

/** How far to read ahead. */
export interface MixedOptions {
  /** Batches in flight or ready, the next one included. @default 4 */
  readonly ahead?: number;
  readonly signal?: AbortSignal;
}

interface Planned extends Draw {
  readonly batch: Promise<RecordBatch>;
}

/**
 * Batches by the draws of a mixture, without end. The mixture counts a draw when its batch is handed out and not
 * before, so its state is always that of the consumer; batches read ahead under weights that were changed meanwhile
 * are dropped unseen. @throws ConfigError when the mixture names a source that is not given
 */
export async function* mixBatches(
  mixture: Mixture,
  sources: Readonly<Record<string, NumberedBatches>>,
  { ahead = 4, signal }: MixedOptions = {},
): AsyncGenerator<MixedBatch, never, undefined> {
  for (const name of mixture.names) {
    if (ownValue(sources, name) === undefined)
      throw unknownName('mixture source', name, Object.keys(sources));
  }
  const planned = new Map<string, Planned>();
  for (;;) {
    signal?.throwIfAborted();
    const draws = mixture.peek(Math.max(1, ahead));
    const keys = draws.map(({ name, cursor }) => `${cursor}:${name}`);
    for (const key of planned.keys()) if (!keys.includes(key)) planned.delete(key);
    draws.forEach((draw, i) => {
      const key = keys[i] ?? '';
      if (planned.has(key)) return;
      const batch = (sources[draw.name] as NumberedBatches).batch(draw.cursor);
      batch.catch(() => {}); // it is reported when its turn comes
      planned.set(key, { ...draw, batch });
    });
    const batch = await (planned.get(keys[0] ?? '') as Planned).batch;
    signal?.throwIfAborted();
    // The weights may have changed while this was awaited: then the draw is another one.
    const head = mixture.peek(1)[0] as Draw;
    if (`${head.cursor}:${head.name}` !== keys[0]) continue;
    planned.delete(keys[0]);
    yield { ...mixture.next(), batch };
    await turn();
  }
}
