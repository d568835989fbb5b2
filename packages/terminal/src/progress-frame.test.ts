import { describe, expect, it } from 'vitest';
import { barOf, fitLine, frameOf } from './progress-frame.ts';

const report = {
  step: 50,
  steps: 200,
  losses: {},
  samplesPerSecond: 0,
  tokensPerSecond: 0,
  secondsLeft: 100,
};
const state = { report, startedAt: 10_000, reportedAt: 70_000, columns: 100 };

describe('a frame', () => {
  it('turns its sign, counts the time up and what is left down', () => {
    // 50 of 200 steps are 5 of 20 cells; frame 700 is the first of 10 signs; 60 s since the start.
    const bar = `${'█'.repeat(5)}${'░'.repeat(15)}`;
    expect(frameOf(state, 70_000)).toBe(`⠋ ${bar} 01:00 step 50/200 | ETA 01:40`);
    // 2.1 s later: 21 signs on, 62.1 s, 97.9 s left
    expect(frameOf(state, 72_100)).toBe(`⠙ ${bar} 01:02 step 50/200 | ETA 01:38`);
    // A step that takes longer than was thought leaves 0 s, not less.
    expect(frameOf(state, 570_000)).toContain('09:20 step 50/200 | ETA 00:00');
    expect(frameOf({ ...state, report: { ...report, secondsLeft: NaN } }, 72_000)).toContain('ETA --:--');
  });

  it('stays within its bar and the width of the terminal, counted in characters', () => {
    expect(barOf({ step: 9, steps: 3 })).toBe('█'.repeat(20));
    expect(barOf({ step: 0, steps: 0 })).toBe('░'.repeat(20));
    // 39 of 40 columns
    const narrow = frameOf({ ...state, columns: 40 }, 70_000);
    expect([...narrow]).toHaveLength(39);
    expect(fitLine('ab█d', 4)).toBe('ab█');
  });
});
