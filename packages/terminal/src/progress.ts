/**
 * What a person sees of a run: a bar that is redrawn on a terminal, plain lines elsewhere. Both get the same reports.
 */
import type { Logger, Progress } from '@polygate/core';
import { describeReport } from './progress-words.ts';
import { createScreen, type Screen } from './screen.ts';
import type { TerminalStream } from './terminal-stream.ts';

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
