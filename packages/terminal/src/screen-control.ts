/**
 * What the main thread and the thread that animates the bar share: a lock, so that only one of them writes to the
 * terminal at a time, and whether there is a bar at all.
 */

const LOCK = 0;
const SHOWN = 1;
const DRAWN_AT = 2;
const SLOTS = 3;

/** How long the main thread waits for the other: it writes a line in microseconds, unless the terminal is held (Ctrl-S). */
const PATIENCE_MS = 1000;
/** Times of drawing are kept as 32-bit ms; differences are right as long as they are below a month. */
const WRAP = 2 ** 31;

/** Shared words; see the functions of this file. */
export type ScreenControl = Int32Array<SharedArrayBuffer>;

export const createControl = (): ScreenControl =>
  new Int32Array(new SharedArrayBuffer(SLOTS * Int32Array.BYTES_PER_ELEMENT));

/** Takes the lock if it is free. */
export const tryLock = (control: ScreenControl): boolean =>
  Atomics.compareExchange(control, LOCK, 0, 1) === 0;

export const unlock = (control: ScreenControl): void => {
  Atomics.store(control, LOCK, 0);
  Atomics.notify(control, LOCK);
};

/** Does something under the lock; after a second of waiting without it, for a thread that died must not hold up the other. */
export const withLock = (control: ScreenControl, action: () => void): void => {
  const giveUp = performance.now() + PATIENCE_MS;
  while (!tryLock(control)) {
    const left = giveUp - performance.now();
    if (left <= 0 || Atomics.wait(control, LOCK, 1, left) === 'timed-out') break;
  }
  try {
    action();
  } finally {
    unlock(control);
  }
};

export const setShown = (control: ScreenControl, shown: boolean): void => {
  Atomics.store(control, SHOWN, shown ? 1 : 0);
};

export const isShown = (control: ScreenControl): boolean => Atomics.load(control, SHOWN) === 1;

/** Notes that a frame was drawn. */
export const noteDrawn = (control: ScreenControl, now: number): void => {
  Atomics.store(control, DRAWN_AT, now % WRAP);
};

/** Milliseconds since the last frame, of either thread. */
export const sinceDrawn = (control: ScreenControl, now: number): number =>
  ((now % WRAP) - Atomics.load(control, DRAWN_AT) + WRAP) % WRAP;
