import { describe, expect, it } from 'vitest';
import { computeSaving, multitaskGain, type GainedScore } from './multitask-gain.ts';

const higher = (model: number, base: number): GainedScore => ({ model, base, better: 'higher' });
const lower = (model: number, base: number): GainedScore => ({ model, base, better: 'lower' });
const percent = (share: number): string => (100 * share).toFixed(2);

describe('multitaskGain', () => {
  it('gives the three numbers of SM^4 against HighMMT from its tables', () => {
    expect(percent(multitaskGain([lower(0.331, 0.445), higher(96.33, 96.1)]))).toBe('12.93');
    expect(percent(multitaskGain([higher(71.58, 53.1), lower(0.475, 0.6), higher(71.86, 68.48)]))).toBe(
      '20.19',
    );
    const large = [higher(64.24, 62), higher(79.47, 78.4), higher(67.91, 65.6), higher(71.05, 70.6)];
    expect(percent(multitaskGain(large))).toBe('2.28');
  });

  it('is below 0 for what got worse, in either direction', () => {
    expect(multitaskGain([higher(50, 100), lower(2, 1)])).toBeCloseTo(-0.75, 12);
    expect(() => multitaskGain([])).toThrow('expected one task or more with bases other than 0, got 0');
    expect(() => multitaskGain([higher(1, 0)])).toThrow('got 1 of bases 0');
  });
});

describe('computeSaving', () => {
  it('gives the published savings from the published operations', () => {
    // Giga-operations of V&T and of ENRICO, SM^4 and HighMMT.
    expect(percent(computeSaving(17.38, 32.48))).toBe('46.49');
    expect(percent(computeSaving(1.1, 79.48))).toBe('98.62');
    expect(() => computeSaving(1, 0)).toThrow('expected operations above 0 of the base, got 0');
  });
});
