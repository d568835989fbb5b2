/**
 * Fetches the next update's batches while the present one computes. Tasks and cursors of the next update are known
 * beforehand, so looking ahead changes nothing but the waiting.
 */
import type { BatchRandom, Random } from '@polygate/core';
import { sourceRandom } from './source-random.ts';
import type { TaskSampler } from './task-sampler.ts';
import type { TrainSource } from './run-options.ts';

/** Batches of one update. */
interface StepBatches<Batch> {
  readonly source: TrainSource<Batch>;
  readonly batches: readonly Batch[];
  /** Randomness of each batch, for its loss. */
  readonly randoms: readonly BatchRandom[];
}

/** Settings of {@link createBatchQueue}. */
export interface BatchQueueOptions {
  readonly sampler: TaskSampler;
  /** Batches of one update. */
  readonly accumulate: number;
  /** Updates of the run: nothing is fetched beyond. */
  readonly steps: number;
  /** The run's stream. */
  readonly random: Random;
}

/** Hands out batches in the order of updates. */
export interface BatchQueue<Batch> {
  /** Batches of an update; afterwards {@link BatchQueue.advance} must be called before the next. */
  take(step: number): Promise<StepBatches<Batch>>;
  /** Starts fetching the update after `step`. */
  lookAhead(step: number): void;
  /** Counts the batches of an update as used. */
  advance(step: number): void;
  /** Batches used of each source. */
  readonly cursors: Readonly<Record<string, number>>;
}

/** @param start cursors of a resumed run; sources that aren't in `sources` any more keep theirs */
export const createBatchQueue = <Batch>(
  sources: readonly TrainSource<Batch>[],
  start: Readonly<Record<string, number>>,
  options: BatchQueueOptions,
): BatchQueue<Batch> => {
  const { sampler, accumulate, steps, random } = options;
  const byName = new Map(sources.map((source) => [source.name, source]));
  const cursors: Record<string, number> = {
    ...Object.fromEntries(sources.map(({ name }) => [name, 0])),
    ...start,
  };
  let ahead: { readonly step: number; readonly result: Promise<StepBatches<Batch>> } | undefined;

  const fetch = async (step: number, cursor: number): Promise<StepBatches<Batch>> => {
    const source = byName.get(sampler.pick(step)) as TrainSource<Batch>;
    const batches: Batch[] = [];
    const randoms: BatchRandom[] = [];
    for (let part = 0; part < accumulate; part += 1) {
      const at = { cursor: cursor + part, step };
      const data = sourceRandom(random, source, { ...at, use: 'data' });
      batches.push(await source.next(at.cursor, { random: data }));
      randoms.push(sourceRandom(random, source, { ...at, use: 'model' }));
    }
    return { source, batches, randoms };
  };

  return {
    cursors,
    take(step) {
      if (ahead?.step === step) return ahead.result;
      return fetch(step, cursors[sampler.pick(step)] ?? 0);
    },
    lookAhead(step) {
      const next = step + 1;
      if (next >= steps) return;
      const task = sampler.pick(next);
      const used = task === sampler.pick(step) ? accumulate : 0;
      const result = fetch(next, (cursors[task] ?? 0) + used);
      // It may fail before anyone waits for it; the failure is met in `take`.
      result.catch(() => {});
      ahead = { step: next, result };
    },
    advance(step) {
      const task = sampler.pick(step);
      cursors[task] = (cursors[task] ?? 0) + accumulate;
    },
  };
};
