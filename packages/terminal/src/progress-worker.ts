/**
 * The thread that keeps the bar moving while the main thread computes: a step on the CPU holds the main thread for as
 * long as it takes. Started by `createScreen`; gets each report as a message and writes straight to the descriptor of
 * the terminal, because the streams of a worker go through the main thread.
 */
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { CLEAR_LINE, FRAME_MS, frameOf, type BarState } from './progress-frame.ts';
import { isShown, noteDrawn, sinceDrawn, tryLock, unlock, type ScreenControl } from './screen-control.ts';

const { fd, control } = workerData as { readonly fd: number; readonly control: ScreenControl };
let state: BarState | undefined;

parentPort?.on('message', (next: BarState) => {
  state = next;
});

setInterval(() => {
  const now = Date.now();
  // The main thread draws each report itself: only what lies between two reports is drawn here.
  if (!state || sinceDrawn(control, now) < FRAME_MS || !tryLock(control)) return;
  try {
    if (!isShown(control)) return;
    writeSync(fd, `${CLEAR_LINE}${frameOf(state, now)}`);
    noteDrawn(control, now);
  } catch {
    // The terminal takes nothing now, or is gone: there is always another frame.
  } finally {
    unlock(control);
  }
}, FRAME_MS);
