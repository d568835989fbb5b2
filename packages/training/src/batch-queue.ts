/**
 * The batches of a run's updates: a mixture draws the source of each, and those of the next are fetched while the present
 * one computes. Sources and cursors of the next update are known beforehand, so looking ahead changes nothing but the
 * waiting.
 */
import { ownValue, StateError, type BatchRandom, type Random } from '@polygate/core';
import { mixBatches, type Draw, type Mixture } from '@polygate/stream';
import type { TrainSource } from './run-options.ts';
import { sourceRandom } from './source-random.ts';

/** Batches of one update. */
export interface StepBatches<Batch> {
  readonly source: TrainSource<Batch>;
  readonly batches: readonly Batch[];
  /** Randomness of each batch, for its loss. */
  readonly randoms: readonly BatchRandom[];
  /** The same anew, for a loss that is computed twice. */
  readonly randomsAgain: () => readonly BatchRandom[];
}

/** Settings of {@link createBatchQueue}. */
export interface BatchQueueOptions {
  /** Draws the source of each update; a draw takes `accumulate` batches. Moved by the queue. */
  readonly mixture: Mixture;
  /** Batches of one update. */
  readonly accumulate: number;
  /** Updates of the run: nothing is fetched beyond. */
  readonly steps: number;
  /** Updates made before. */
  readonly step: number;
  /** The run's stream. */
  readonly random: Random;
}

/** Hands out batches in the order of updates. */
export interface BatchQueue<Batch> {
  /** Batches of the next update; afterwards {@link BatchQueue.advance} must be called before the next. */
  take(): Promise<StepBatches<Batch>>;
  /** Counts the batches of the update as used. */
  advance(): void;
  /** Batches used of each source. */
  readonly cursors: Readonly<Record<string, number>>;
}

/** The update at work and the next one. */
const AHEAD = 2;

/** @param start cursors of a resumed run; sources that aren't in `sources` any more keep theirs */
export const createBatchQueue = <Batch>(
  sources: readonly TrainSource<Batch>[],
  start: Readonly<Record<string, number>>,
  { mixture, accumulate, steps, step, random }: BatchQueueOptions,
): BatchQueue<Batch> => {
  const counters = Object.fromEntries(mixture.names.map((name) => [name, ownValue(start, name) ?? 0]));
  mixture.restore({ step, counters });
  let cursors: Readonly<Record<string, number>> = { ...counters, ...start };

  const fetch = async (source: TrainSource<Batch>, draw: Draw): Promise<StepBatches<Batch>> => {
    const batches: Batch[] = [];
    for (let part = 0; part < accumulate; part += 1) {
      const at = { cursor: draw.cursor + part, step: draw.step };
      const data = sourceRandom(random, source, { ...at, use: 'data' });
      batches.push(await source.next(at.cursor, { random: data }));
    }
    const drawn = (): readonly BatchRandom[] =>
      batches.map((_, part) =>
        sourceRandom(random, source, { cursor: draw.cursor + part, step: draw.step, use: 'model' }),
      );
    return { source, batches, randoms: drawn(), randomsAgain: drawn };
  };
  // One update after another: a source is asked in the order of its cursors, and the update at work isn't slowed down.
  let last: Promise<unknown> = Promise.resolve();
  const fetchInTurn = (source: TrainSource<Batch>, draw: Draw): Promise<StepBatches<Batch>> => {
    const fetched = last.then(() => fetch(source, draw));
    last = fetched;
    return fetched;
  };
  const numbered = Object.fromEntries(
    sources.map((source) => [
      source.name,
      { batch: (_: number, draw: Draw): Promise<StepBatches<Batch>> => fetchInTurn(source, draw) },
    ]),
  );
  const mixed = mixBatches(mixture, numbered, { ahead: AHEAD, end: steps });

  return {
    get cursors() {
      return cursors;
    },
    async take() {
      const { value } = await mixed.next();
      if (value) return value.batch;
      throw new StateError(`train: expected an update before step ${steps}, got a run that is at its end`);
    },
    advance() {
      cursors = { ...cursors, ...mixture.state().counters };
    },
  };
};
