import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createScreen } from './screen.ts';

const report = {
  step: 1,
  steps: 2,
  losses: {},
  samplesPerSecond: 0,
  tokensPerSecond: 0,
  secondsLeft: 5,
};
const half = `${'█'.repeat(10)}${'░'.repeat(10)}`;
const clear = '\r\u001b[2K';

/** A screen whose writes are kept. Without a descriptor: no thread. */
const recorded = (isTTY: boolean) => {
  const written: string[] = [];
  return { written, screen: createScreen({ write: (text) => written.push(text), isTTY, columns: 60 }) };
};

describe('a screen', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 100_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('keeps the bar below the lines and leaves it as a line at the end', () => {
    const { written, screen } = recorded(true);
    screen.write('before\n');
    screen.show(report);
    vi.setSystemTime(101_000);
    screen.write('a line\n');
    screen.write('no end of line');
    screen.hide();
    screen.hide();
    screen.write('after\n');
    expect(written).toEqual([
      'before\n',
      `${clear}⠋ ${half} 00:00 step 1/2 | ETA 00:05`,
      `${clear}a line\n⠋ ${half} 00:01 step 1/2 | ETA 00:04`,
      `${clear}no end of line\n⠋ ${half} 00:01 step 1/2 | ETA 00:04`,
      `${clear}${half} 00:01 step 1/2 | ETA 00:05\n`,
      'after\n',
    ]);
  });

  it('ends the bar when the process ends in the middle, and listens no longer than there is a bar', () => {
    const { written, screen } = recorded(true);
    const listeners = process.listenerCount('exit');
    screen.show(report);
    screen.show({ ...report, step: 2 });
    expect(process.listenerCount('exit')).toBe(listeners + 1);
    const [last] = process.listeners('exit').slice(-1);
    last?.(130);
    expect(written.at(-1)).toMatch(/step 2\/2 \| ETA 00:05\n$/u);
    expect(process.listenerCount('exit')).toBe(listeners);
  });

  it('draws nothing where there is no terminal', () => {
    const { written, screen } = recorded(false);
    screen.show(report);
    screen.write('a line\n');
    screen.hide();
    expect(written).toEqual(['a line\n']);
  });
});
