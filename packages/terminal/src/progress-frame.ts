/** One frame of the live bar: a pure function of what was last reported and of the time. */
import type { ProgressReport } from '@polygate/core';
import { describeReport, formatSeconds } from './progress-words.ts';

/** What a frame is drawn from. Times are milliseconds since the epoch, which all threads share. */
export interface BarState {
  readonly report: ProgressReport;
  /** When the bar came up. */
  readonly startedAt: number;
  /** When `report` came. */
  readonly reportedAt: number;
  /** Width of the terminal. */
  readonly columns: number;
}

const BAR_CELLS = 20;
const SPINNER = [...'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'];
/** Time between two frames of the spinner, in ms. */
export const FRAME_MS = 100;
/** Returns to the start of the line and empties it. */
export const CLEAR_LINE = '\r\u001b[2K';

/** `█████░░░░░` for the share of the steps that are made. */
export const barOf = ({ step, steps }: Pick<ProgressReport, 'step' | 'steps'>): string => {
  const cells = Math.min(BAR_CELLS, Math.round((BAR_CELLS * step) / Math.max(1, steps)));
  return '█'.repeat(cells) + '░'.repeat(BAR_CELLS - cells);
};

/** Cuts to the width of a terminal. One column stays free: a full line would wrap and could not be cleared. */
export const fitLine = (text: string, columns: number): string => [...text].slice(0, columns - 1).join('');

/** The bar at a time: a turning sign, the time since the start, and the time left running down between reports. */
export const frameOf = ({ report, startedAt, reportedAt, columns }: BarState, now: number): string => {
  const sign = SPINNER[Math.floor(now / FRAME_MS) % SPINNER.length] ?? '';
  const secondsLeft = Math.max(0, report.secondsLeft - Math.max(0, now - reportedAt) / 1000);
  const words = describeReport({ ...report, secondsLeft });
  const elapsed = formatSeconds((now - startedAt) / 1000);
  return fitLine(`${sign} ${barOf(report)} ${elapsed} ${words}`, columns);
};
