import { describe, expect, it } from 'vitest';
import { createControl, noteDrawn, sinceDrawn, tryLock, unlock, withLock } from './screen-control.ts';

describe('the lock', () => {
  it('is held by one at a time and given back, also after an error', () => {
    const control = createControl();
    expect(tryLock(control)).toBe(true);
    expect(tryLock(control)).toBe(false);
    unlock(control);
    expect(() =>
      withLock(control, () => {
        expect(tryLock(control)).toBe(false);
        throw new Error('on purpose');
      }),
    ).toThrow('on purpose');
    expect(tryLock(control)).toBe(true);
  });

  it('is taken from a thread that never gives it back', () => {
    const control = createControl();
    tryLock(control);
    let done = false;
    withLock(control, () => {
      done = true;
    });
    expect(done).toBe(true);
  });
});

describe('the time of the last frame', () => {
  it('survives 32 bits', () => {
    const control = createControl();
    // 2^31 ms = 24.9 days: the counter starts again at 0 in between.
    noteDrawn(control, 2 ** 31 * 800 - 30);
    expect(sinceDrawn(control, 2 ** 31 * 800 + 90)).toBe(120);
  });
});
