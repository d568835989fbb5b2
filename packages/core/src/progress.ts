/** One update of long work, as a display sees it. */
export interface ProgressReport {
  /** Updates made. */
  readonly step: number;
  readonly steps: number;
  /** Smoothed loss of each task seen so far. */
  readonly losses: Readonly<Record<string, number>>;
  readonly samplesPerSecond: number;
  /** 0 when batches have no measure of tokens. */
  readonly tokensPerSecond: number;
  /** NaN while unknown. */
  readonly secondsLeft: number;
}

/**
 * Shows progress. Passed in, as a logger is: the trainer calls `start` before the first step of this process, `update`
 * after every step and `stop` at the end.
 */
export interface Progress {
  /** @param report what is known before a step was made: step and steps, rates of 0 */
  start?(report: ProgressReport): void;
  update(report: ProgressReport): void;
  /** A line that stays, such as a checkpoint's name. */
  note(line: string): void;
  stop(): void;
}

/** A display that shows nothing. */
export const silentProgress: Progress = Object.freeze({ update() {}, note() {}, stop() {} });
