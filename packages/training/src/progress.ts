/**
 * What a person sees of a run: a bar that is redrawn on a terminal, plain lines elsewhere. Both get the same reports.
 */
import type { Logger } from '@polygate/core';

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

/** Shows progress. Passed to the trainer, which calls `update` after every step and `stop` at the end. */
export interface Progress {
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

const BAR_CELLS = 20;
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = '\r\u001b[2K';

const twoDigits = (value: number): string => String(value).padStart(2, '0');

/** `1:02:03` or `02:03`; `--:--` while unknown. */
export const formatSeconds = (seconds: number): string => {
  if (!Number.isFinite(seconds) || seconds < 0) return '--:--';
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const rest = `${twoDigits(Math.floor(whole / 60) % 60)}:${twoDigits(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
};

/** Three significant digits, thousands as k and millions as M. */
export const formatRate = (rate: number): string => {
  if (rate >= 1e6) return `${(rate / 1e6).toPrecision(3)}M`;
  if (rate >= 1e3) return `${(rate / 1e3).toPrecision(3)}k`;
  return rate >= 100 ? rate.toFixed(0) : rate.toPrecision(3);
};

/** The report in words, as both displays show it. */
export const describeReport = (report: ProgressReport): string => {
  const losses = Object.entries(report.losses).map(([task, loss]) => `${task} ${loss.toFixed(3)}`);
  const tokens = report.tokensPerSecond > 0 ? [`${formatRate(report.tokensPerSecond)} tokens/s`] : [];
  return [
    `step ${report.step}/${report.steps}`,
    ...(losses.length > 0 ? [`loss ${losses.join(', ')}`] : []),
    `${formatRate(report.samplesPerSecond)} samples/s`,
    ...tokens,
    `ETA ${formatSeconds(report.secondsLeft)}`,
  ].join(' | ');
};

/** A bar redrawn in place. Lines of `note` scroll above it. */
export const terminalProgress = (stream: TerminalStream): Progress => {
  let shown = '';
  const draw = (text: string): void => {
    shown = text;
    stream.write(`${CLEAR_LINE}${text}`);
  };
  return {
    update(report) {
      const cells = Math.round((BAR_CELLS * report.step) / Math.max(1, report.steps));
      const bar = '█'.repeat(cells) + '░'.repeat(BAR_CELLS - cells);
      // One column stays free: a full line would wrap and could not be cleared.
      const width = (stream.columns ?? DEFAULT_COLUMNS) - 1;
      draw([...`${bar} ${describeReport(report)}`].slice(0, width).join(''));
    },
    note(line) {
      stream.write(`${CLEAR_LINE}${line}\n${shown}`);
    },
    stop() {
      if (shown !== '') stream.write('\n');
      shown = '';
    },
  };
};

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

/** The bar where `stream` is a terminal, else plain lines through `logger`. */
export const createProgress = (
  stream: TerminalStream,
  logger: Logger,
  options: PlainProgressOptions = {},
): Progress => (stream.isTTY === true ? terminalProgress(stream) : plainProgress(logger, options));
