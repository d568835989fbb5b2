import { setTimeout as sleep } from 'node:timers/promises';

/** One result, as a line of JSON on standard output. */
export interface BenchLine {
  readonly case: string;
  /** Of the quantity that the case compares. */
  readonly ratioMedian: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
  /** What was compared and found right before anything was measured. */
  readonly validated: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/**
 * Two things measured in turn, A B A B ..., in one run: the ratio holds when the machine's speed drifts. Its ratios are
 * the time of B over the time of A, pair by pair: above 1, A is the faster one.
 */
export interface PairLine extends BenchLine {
  readonly a: string;
  readonly b: string;
  /** Seconds, medians over the pairs. */
  readonly aSeconds: number;
  readonly bSeconds: number;
  readonly pairs: number;
}

/** One side of a pair: `run` does the work once and returns its seconds when it times itself. */
export interface Side {
  readonly name: string;
  run(): Promise<number | void>;
}

export interface PairOptions {
  readonly name: string;
  readonly validated: string;
  /** Counted pairs. @default 7 */
  readonly pairs?: number;
  /** Uncounted pairs first. @default 2 */
  readonly warmup?: number;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** The middle value, or the mean of the two middle ones. */
export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((x, y) => x - y);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
};

const seconds = async (side: Side): Promise<number> => {
  const start = process.hrtime.bigint();
  const reported = await side.run();
  return reported ?? Number(process.hrtime.bigint() - start) / 1e9;
};

/** How sides take turns. */
export interface Turns {
  readonly rounds: number;
  /** Uncounted rounds first. */
  readonly warmup: number;
  /** Milliseconds before each run, for threads that spin on after another side's. @default 0 */
  readonly pauseMs?: number;
}

/** Measures all in turn, round after round: seconds of each, in the order of the rounds. */
export const measureInTurn = async (
  sides: readonly Side[],
  { rounds, warmup, pauseMs = 0 }: Turns,
): Promise<readonly (readonly number[])[]> => {
  const times = sides.map((): number[] => []);
  for (let round = -warmup; round < rounds; round += 1) {
    for (const [at, side] of sides.entries()) {
      if (pauseMs > 0) await sleep(pauseMs);
      const taken = await seconds(side);
      if (round >= 0) times[at]?.push(taken);
    }
  }
  return times;
};

/** The line of two that were measured in turn. */
export const pairLine = (
  a: { readonly name: string; readonly times: readonly number[] },
  b: { readonly name: string; readonly times: readonly number[] },
  { name, validated, detail }: Omit<PairOptions, 'pairs' | 'warmup'>,
): PairLine => {
  const ratios = a.times.map((time, i) => (b.times[i] ?? Number.NaN) / time);
  return {
    case: name,
    a: a.name,
    b: b.name,
    aSeconds: median(a.times),
    bSeconds: median(b.times),
    ratioMedian: median(ratios),
    ratioMin: Math.min(...ratios),
    ratioMax: Math.max(...ratios),
    pairs: ratios.length,
    validated,
    ...(detail ? { detail } : {}),
  };
};

/** Measures A and B in turn and returns the line to print. */
export const measurePair = async (a: Side, b: Side, options: PairOptions): Promise<PairLine> => {
  const { pairs: rounds = 7, warmup = 2 } = options;
  const [timesA = [], timesB = []] = await measureInTurn([a, b], { rounds, warmup });
  return pairLine({ name: a.name, times: timesA }, { name: b.name, times: timesB }, options);
};
