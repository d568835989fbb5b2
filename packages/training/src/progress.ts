/**
 * What a person sees of a run: a bar that is redrawn on a terminal, plain lines elsewhere. Both get the same reports.
 */
import type { Logger } from '@polygate/core';
import { describeReport } from './progress-words.ts';
import { createScreen, type Screen } from './screen.ts';

/** One update as the display sees it. */
export interface ProgressReport {
  /** Updates made. */
  readonly step: number;
  readonly steps: number;
  /** Smoothed loss of each task seen so far. */
  readonly losses: Readonly<Record<string, number>>;
  readonly samplesPerSecond: number;
  /** 0 when batches have no measure of tokens. */
  readonly tokensPerSecond: number;
  readonly secondsLeft: number;
}

/** Shows progress. Passed to the trainer, which calls `start` before the first step of this process, `update` after every step and `stop` at the end. */
export interface Progress {
  /** @param report what is known before a step was made: step and steps, rates of 0 */
  start?(report: ProgressReport): void;
  update(report: ProgressReport): void;
  /** A line that stays, such as a checkpoint's name. */
  note(line: string): void;
  stop(): void;
}

/** The part of a terminal stream that the bar needs. */
export interface TerminalStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** The bar of a screen, and lines above it. */
export const screenProgress = (screen: Screen): Progress => ({
  start: (report) => screen.show(report),
  update: (report) => screen.show(report),
  note: (line) => screen.write(`${line}\n`),
  stop: () => screen.hide(),
});

/** Settings of {@link plainProgress}. */
export interface PlainProgressOptions {
  /** Steps between two lines; the first and the last step always get one. @default 50 */
  readonly every?: number;
}

/** One line through the logger every so many steps. */
export const plainProgress = (logger: Logger, options: PlainProgressOptions = {}): Progress => {
  const { every = 50 } = options;
  let first = true;
  return {
    update(report) {
      if (!first && report.step % every !== 0 && report.step !== report.steps) return;
      first = false;
      logger.info(describeReport(report));
    },
    note(line) {
      logger.info(line);
    },
    stop() {},
  };
};

/** A display that shows nothing. */
export const silentProgress: Progress = Object.freeze({ update() {}, note() {}, stop() {} });

/**
 * The bar where `stream` is a terminal, else plain lines through `logger`. With a {@link Screen} as the stream, lines of
 * others can go above the bar too.
 */
export const createProgress = (
  stream: TerminalStream | Screen,
  logger: Logger,
  options: PlainProgressOptions = {},
): Progress => {
  if (stream.isTTY !== true) return plainProgress(logger, options);
  return screenProgress('show' in stream ? stream : createScreen(stream));
};
