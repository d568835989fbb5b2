/**
 * Whether the processes of a group can train together, before they do: what they must agree on, how far their clocks are
 * apart, and what an all-reduce takes between them.
 *
 * R ranks
 */
import { findDisagreement, StateError, type Communicator } from '@polygate/core';
import { median } from '@polygate/evaluation';

/** Values of the large all-reduce: a bucket of gradients. */
const LARGE = 4 * 2 ** 20;
const LARGE_ROUNDS = 5;
const SMALL_ROUNDS = 21;
const MS_PER_SECOND = 1000;

/** What was found, the same on every rank. */
export interface RankExamination {
  /** R */
  readonly size: number;
  /** Median milliseconds of an all-reduce of one value, of the slowest rank. */
  readonly latencyMs: number;
  /** Bytes of an array over the median seconds that its all-reduce takes, of the slowest rank. */
  readonly bytesPerSecond: number;
  /**
   * Milliseconds that the clock of each rank is ahead of that of rank 0, seen when all have met: not closer than the
   * time of a message.
   */
  readonly clocksMs: readonly number[];
}

/** What an examination is given. */
export interface ExamineRanksOptions {
  /** What all ranks must have alike: versions, hashes of the recipe and the data. */
  readonly facts: Readonly<Record<string, string>>;
  /** Milliseconds that never go back. @default performance.now */
  readonly clock?: () => number;
  /** Milliseconds of the day, of this machine. @default Date.now */
  readonly now?: () => number;
}

const requireSameFacts = async (
  communicator: Communicator,
  facts: Readonly<Record<string, string>>,
): Promise<void> => {
  const found = await findDisagreement(communicator, facts);
  if (!found) return;
  const { fact, rank } = found;
  const told = (value: string | undefined): string => (value === undefined ? 'nothing' : `${fact} ${value}`);
  throw new StateError(
    `processes: expected the same of all ranks, got ${told(found.ofFirst)} on rank 0 and ${told(found.theirs)} on rank ${rank}; install one version, and give all the same recipe and data`,
    { code: 'ranks-disagree', fields: { rank } },
  );
};

/**
 * Examines a group; all its ranks must.
 * @throws StateError (code `ranks-disagree`) naming the rank and both values, (code `rank-failed`) as the communicator
 */
export const examineRanks = async (
  communicator: Communicator,
  { facts, clock = () => performance.now(), now = Date.now }: ExamineRanksOptions,
): Promise<RankExamination> => {
  await requireSameFacts(communicator, facts);
  await communicator.barrier();
  const clocks = (await communicator.allGather(Float64Array.of(now()))).map(([time = 0]) => time);
  const timed = async (values: number, rounds: number): Promise<number> => {
    const array = new Float32Array(values);
    // The first opens what the others find open.
    await communicator.allReduce([array], 'sum');
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const began = clock();
      await communicator.allReduce([array], 'sum');
      times.push(clock() - began);
    }
    const slowest = Float64Array.of(median(times));
    await communicator.allReduce([slowest], 'max');
    return slowest[0] ?? 0;
  };
  const latencyMs = await timed(1, SMALL_ROUNDS);
  const largeMs = await timed(LARGE, LARGE_ROUNDS);
  return {
    size: communicator.size,
    latencyMs,
    bytesPerSecond: (LARGE * Float32Array.BYTES_PER_ELEMENT * MS_PER_SECOND) / largeMs,
    clocksMs: clocks.map((time) => time - (clocks[0] ?? 0)),
  };
};
