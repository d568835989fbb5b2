import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration, toSteps } from './duration.ts';

describe('duration', () => {
  it('reads its four units', () => {
    expect(parseDuration('5000 steps')).toEqual({ unit: 'steps', value: 5000 });
    expect(parseDuration('1 epoch')).toEqual({ unit: 'epochs', value: 1 });
    expect(parseDuration('1e6 samples')).toEqual({ unit: 'samples', value: 1_000_000 });
    expect(parseDuration(' 2.5% ')).toEqual({ unit: 'percent', value: 2.5 });
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
    expect(() => parseDuration('10')).toThrow(
      'duration: expected a number with a unit such as "5000 steps", "3 epochs", "1e6 samples" or "5%", got "10"',
    );
  });

  it('formats to text that reads back', () => {
    for (const text of ['5000 steps', '3 epochs', '12 samples', '5%'])
      expect(formatDuration(parseDuration(text))).toBe(text);
  });
});
