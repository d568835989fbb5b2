import { createLogger } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { describeReport, formatRate, formatSeconds } from './progress-words.ts';
import { createProgress } from './progress.ts';

const report = {
  step: 50,
  steps: 200,
  losses: { 'image-classification': 1.23456, captioning: 4 },
  samplesPerSecond: 1234,
  tokensPerSecond: 56_789,
  secondsLeft: 3725.4,
};

describe('the words', () => {
  it('show losses, rates and the time left', () => {
    expect(describeReport(report)).toBe(
      'step 50/200 | loss image-classification 1.235, captioning 4.000 | 1.23k samples/s | 56.8k tokens/s | ETA 1:02:05',
    );
    expect(describeReport({ ...report, losses: {}, tokensPerSecond: 0, secondsLeft: NaN })).toBe(
      'step 50/200 | 1.23k samples/s | ETA --:--',
    );
    const before = {
      step: 0,
      steps: 9,
      losses: {},
      samplesPerSecond: 0,
      tokensPerSecond: 0,
      secondsLeft: NaN,
    };
    expect(describeReport(before)).toBe('step 0/9 | ETA --:--');
    expect([0, 59.6, 3599].map(formatSeconds)).toEqual(['00:00', '01:00', '59:59']);
    expect([0.1234, 12.34, 123.4, 2_500_000].map(formatRate)).toEqual(['0.123', '12.3', '123', '2.50M']);
  });
});

describe('createProgress', () => {
  it('draws on a terminal and writes lines elsewhere: the first, every so many, the last', () => {
    const drawn: string[] = [];
    const lines: string[] = [];
    const logger = createLogger((_, message) => void lines.push(message));
    const bar = createProgress({ write: (text) => drawn.push(text), isTTY: true }, logger);
    bar.start?.(report);
    bar.update(report);
    bar.note('a note');
    bar.stop();
    expect([drawn.length, lines.length]).toEqual([4, 0]);
    expect(drawn[2]).toContain('a note\n');
    drawn.length = 0;
    const plain = createProgress({ write: (text) => drawn.push(text) }, logger, { every: 4 });
    for (let step = 1; step <= 10; step += 1) plain.update({ ...report, step, steps: 10 });
    plain.note('a note');
    plain.stop();
    expect(drawn).toEqual([]);
    expect(lines.map((text) => text.split(' | ')[0])).toEqual([
      'step 1/10',
      'step 4/10',
      'step 8/10',
      'step 10/10',
      'a note',
    ]);
  });
});
