import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration, toSteps } from './duration.ts';

describe('duration', () => {
  it('reads its four units', () => {
    expect(parseDuration('5000 steps')).toEqual({ unit: 'steps', value: 5000 });
    expect(parseDuration('1 epoch')).toEqual({ unit: 'epochs', value: 1 });
    expect(parseDuration('1e6 samples')).toEqual({ unit: 'samples', value: 1_000_000 });
    expect(parseDuration(' 2.5% ')).toEqual({ unit: 'percent', value: 2.5 });
  });

  it('takes a whole number without a unit as steps', () => {
    for (const value of ['60', 60, ' 60 ', '6e1']) {
      expect(parseDuration(value)).toEqual({ unit: 'steps', value: 60 });
    }
  });

  it('turns into whole steps, rounded up', () => {
    expect(toSteps(parseDuration('7 steps'))).toBe(7);
    // 100 samples in batches of 32: 3.125, so 4 steps.
    expect(toSteps(parseDuration('100 samples'), { batchSize: 32 })).toBe(4);
    // 2 epochs of 50 samples in batches of 32: 100/32 again.
    expect(toSteps(parseDuration('2 epochs'), { batchSize: 32, epochSamples: 50 })).toBe(4);
    expect(toSteps(parseDuration('5%'), { totalSteps: 150 })).toBe(8);
  });

  it('says what is missing', () => {
    expect(() => toSteps(parseDuration('2 epochs'), { batchSize: 4 })).toThrow(
      'duration: "2 epochs" needs a positive epochSamples to be turned into steps; give it or state the duration in steps',
    );
    for (const text of ['0.05', 'ten', '-3', '3 weeks', '', 'Infinity']) {
      expect(() => parseDuration(text)).toThrow(
        `duration: expected whole steps such as 5000, or a number with a unit such as "5000 steps", "3 epochs", "1e6 samples" or "5%", got "${text}"`,
      );
    }
  });

  it('formats to text that reads back', () => {
    for (const text of ['5000 steps', '3 epochs', '12 samples', '5%'])
      expect(formatDuration(parseDuration(text))).toBe(text);
  });
});
