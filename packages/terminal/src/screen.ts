/**
 * A terminal that lines and one live bar share. The bar stays below the lines and keeps moving while the main thread is
 * busy, because a worker thread redraws it. Both write under one lock, so nothing is torn apart.
 */
import type { ProgressReport } from '@polygate/core';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { barOf, CLEAR_LINE, fitLine, frameOf, type BarState } from './progress-frame.ts';
import { describeReport, formatSeconds } from './progress-words.ts';
import { createControl, noteDrawn, setShown, withLock, type ScreenControl } from './screen-control.ts';
import type { TerminalStream } from './terminal-stream.ts';

/** The terminal behind a screen, such as `process.stderr`. */
export interface ScreenStream extends TerminalStream {
  /** Descriptor that the worker writes to. Without one, the bar moves with the reports alone. */
  readonly fd?: number;
}

/** Lines and a bar on one terminal. Everything that is written to the terminal should go through it. */
export interface Screen extends TerminalStream {
  /** Writes lines, above the bar where there is one. */
  write(text: string): void;
  /** Draws the bar, or changes what it shows. */
  show(report: ProgressReport): void;
  /** Leaves the bar as a line and ends its thread. */
  hide(): void;
}

const DEFAULT_COLUMNS = 80;
/** The thread holds a few strings. */
const WORKER_HEAP_MB = 16;

interface LiveBar {
  readonly control: ScreenControl;
  readonly worker: Worker | undefined;
  state: BarState;
}

/** Starts the thread; undefined where there is no built file or no descriptor. Its failure costs the animation, no more. */
const startWorker = (fd: number | undefined, control: ScreenControl): Worker | undefined => {
  // Sources that are run without a build have no such file.
  const file = new URL('./progress-worker.js', import.meta.url);
  if (fd === undefined || file.protocol !== 'file:' || !existsSync(fileURLToPath(file))) return undefined;
  const worker = new Worker(file, {
    workerData: { fd, control },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
  });
  worker.on('error', () => {});
  // A bar must not keep a process alive.
  worker.unref();
  return worker;
};

/** A screen over a terminal; on a stream that is none, `write` passes through and nothing is ever drawn. */
export const createScreen = (stream: ScreenStream): Screen => {
  let bar: LiveBar | undefined;
  const columns = (): number => stream.columns ?? DEFAULT_COLUMNS;
  const draw = (drawn: LiveBar, before = ''): void => {
    const now = Date.now();
    withLock(drawn.control, () => {
      stream.write(`${CLEAR_LINE}${before}${frameOf(drawn.state, now)}`);
      noteDrawn(drawn.control, now);
    });
  };
  const hide = (): void => {
    if (!bar) return;
    const { control, worker, state } = bar;
    bar = undefined;
    process.off('exit', hide);
    const elapsed = formatSeconds((Date.now() - state.startedAt) / 1000);
    const last = fitLine(`${barOf(state.report)} ${elapsed} ${describeReport(state.report)}`, columns());
    withLock(control, () => {
      setShown(control, false);
      stream.write(`${CLEAR_LINE}${last}\n`);
    });
    void worker?.terminate();
  };
  return {
    isTTY: stream.isTTY === true,
    get columns() {
      return columns();
    },
    write(text) {
      if (bar) draw(bar, text.endsWith('\n') ? text : `${text}\n`);
      else stream.write(text);
    },
    show(report) {
      if (stream.isTTY !== true) return;
      const now = Date.now();
      const state = { report, startedAt: bar?.state.startedAt ?? now, reportedAt: now, columns: columns() };
      if (!bar) {
        const control = createControl();
        setShown(control, true);
        bar = { control, worker: startWorker(stream.fd, control), state };
        // Also when the process is ended in the middle: the prompt should not come behind the bar.
        process.once('exit', hide);
      }
      bar.state = state;
      draw(bar);
      bar.worker?.postMessage(state);
    },
    hide,
  };
};
