import { describe, expect, it } from 'vitest';
import { confusionMatrix, macroF1 } from './confusion.ts';
import { beatsChance, reportMean, reportStatistic } from './score-report.ts';
import { formatNumber, formatScores } from './score-table.ts';

const context = { task: 'emoji group', split: 'unseen concepts', metric: 'top-1', chance: 0.125 };
const values = Float64Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 1 : 0));

describe('reports', () => {
  it('hold the score with its interval, chance and baselines', () => {
    const report = reportMean({ ...context, baselines: { 'nearest image': 0.449 } }, values, { seed: 1 });
    expect(report).toMatchObject({
      value: 0.5,
      count: 200,
      better: 'higher',
      confidence: 0.95,
      chance: 0.125,
    });
    expect(report.interval[0]).toBeGreaterThan(0.4);
    expect(report.interval[1]).toBeLessThan(0.6);
    expect(beatsChance(report)).toBe(true);
    expect(beatsChance({ ...report, chance: report.interval[0] })).toBe(false);
    expect(beatsChance({ ...report, chance: null })).toBe(false);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('turn the interval of a mean into that of perplexity, low end first', () => {
    // Log probabilities ln 1/2 and ln 1/8 in equal number: perplexity 4.
    const log = Float64Array.from({ length: 100 }, (_, i) => -Math.log(i % 2 === 0 ? 2 : 8));
    const report = reportMean({ ...context, metric: 'perplexity', chance: 8, better: 'lower' }, log, {
      seed: 1,
      transform: (mean) => Math.exp(-mean),
    });
    expect(report.value).toBeCloseTo(4, 12);
    expect(report.interval[0]).toBeLessThan(4);
    expect(report.interval[1]).toBeGreaterThan(4);
    expect(beatsChance(report)).toBe(true);
    expect(beatsChance({ ...report, chance: 4 })).toBe(false);
  });

  it('resample statistics of the whole corpus', () => {
    const labels = Array.from({ length: 90 }, (_, i) => i % 3);
    const predicted = labels.map((label, i) => (i < 60 ? label : 0));
    const statistic = (indices: Int32Array): number =>
      macroF1(
        confusionMatrix(
          indices.map((i) => predicted[i] ?? 0),
          indices.map((i) => labels[i] ?? 0),
          3,
        ),
      );
    const report = reportStatistic(
      { ...context, metric: 'macro-F1' },
      { count: 90, statistic },
      { seed: 1, resamples: 100 },
    );
    // Class 0: 30 of 30, 50 predicted: 60/80. Classes 1, 2: 20 of 30, 20 predicted: 40/50. Mean (0.75 + 0.8 + 0.8) / 3.
    expect(report.value).toBeCloseTo(2.35 / 3, 12);
    expect(report.interval[0]).toBeLessThan(report.value);
    expect(report.interval[1]).toBeGreaterThan(report.value);
    expect(report.count).toBe(90);
  });

  it('do not take luck for skill', () => {
    // A coin is right once half the time, and twice a quarter of it.
    const report = (perSample: readonly number[], chance: number) =>
      reportMean({ ...context, chance }, perSample, { seed: 1 });
    expect(report([1], 0.5).interval[0]).toBeCloseTo(0.025, 12);
    expect(beatsChance(report([1], 0.5))).toBe(false);
    expect(beatsChance(report([1], 0.1))).toBe(false);
    expect(beatsChance(report([1, 1], 0.2))).toBe(false);
    expect(beatsChance(report(new Array<number>(10).fill(1), 0.5))).toBe(true);
    // Equal values, one value and one group show no spread.
    for (const values of [[0.9], [0.9, 0.9, 0.9]]) {
      expect(report(values, 0.5).interval).toEqual([-Infinity, Infinity]);
      expect(beatsChance(report(values, 0.5))).toBe(false);
    }
    const grouped = reportMean(context, [1, 1, 1, 1], { seed: 1, groups: ['a', 'a', 'a', 'a'] });
    expect(beatsChance(grouped)).toBe(false);
    // A perfect score of a statistic over three samples.
    const perfect = { count: 3, statistic: () => 1 };
    expect(beatsChance(reportStatistic(context, perfect, { seed: 1 }))).toBe(false);
    const ranged = reportStatistic({ ...context, chance: 0.3 }, perfect, { seed: 1, range: [0, 1] });
    expect(ranged.interval[0]).toBeCloseTo(0.025 ** (1 / 3), 10);
    expect(beatsChance(ranged)).toBe(false);
  });

  it('never beat chance with an end that is no finite number', () => {
    const report = reportMean(context, values, { seed: 1 });
    for (const interval of [
      [0.9, Number.NaN],
      [Number.NaN, 0.9],
      [0.9, Infinity],
      [Number.NaN, Number.NaN],
      [null, null],
    ]) {
      expect(beatsChance({ ...report, interval: interval as never })).toBe(false);
    }
    expect(beatsChance({ ...report, better: 'lower', interval: [-Infinity, 0.01] })).toBe(false);
  });

  it('take the ends of perplexity from the range of log probabilities', () => {
    const lower = { ...context, metric: 'perplexity', chance: 8, better: 'lower' } as const;
    const options = { seed: 1, transform: (mean: number) => Math.exp(-mean) };
    const sure = reportMean(lower, [0, 0], { ...options, range: [-Infinity, 0] });
    expect(sure.interval).toEqual([1, Infinity]);
    expect(beatsChance(sure)).toBe(false);
    expect(reportMean(lower, [0, 0], options).interval).toEqual([0, Infinity]);
  });

  it('refuse a score that is not finite', () => {
    expect(() => reportMean(context, [Number.NaN], { seed: 1 })).toThrow(
      'expected a finite top-1 of emoji group, got NaN; has the model diverged?',
    );
  });
});

describe('tables', () => {
  const reports = [
    { ...reportMean({ ...context, baselines: { majority: 0.178 } }, [1, 1], { seed: 1 }) },
    {
      ...reportMean(
        { task: 'text', split: 'held out', metric: 'perplexity', chance: null, better: 'lower' },
        [1234.5],
        {
          seed: 1,
        },
      ),
    },
  ];

  it('align columns in plain text', () => {
    expect(formatScores(reports)).toBe(
      [
        'task         split            metric                        value  95 % interval  chance  baselines       n\n',
        'emoji group  unseen concepts  top-1                          1.00  0.158 to 1.00   0.125  majority 0.178  2\n',
        'text         held out         perplexity (lower is better)   1235  unknown             -  -               1\n',
      ].join(''),
    );
  });

  it('are valid markdown, also with bars in names', () => {
    const lines = formatScores([{ ...reports[0]!, task: 'a|b' }], { style: 'markdown', digits: 2 }).split(
      '\n',
    );
    expect(lines).toEqual([
      '| task | split | metric | value | 95 % interval | chance | baselines | n |',
      '| --- | --- | --- | ---: | --- | ---: | --- | ---: |',
      '| a\\|b | unseen concepts | top-1 | 1.0 | 0.16 to 1.0 | 0.13 | majority 0.18 | 2 |',
      '',
    ]);
  });

  it('write numbers with significant digits and without exponents', () => {
    expect([0, 0.5, 0.00123, 12.34, 1234.5, -0.0456, Number.NaN].map((value) => formatNumber(value))).toEqual(
      ['0', '0.500', '0.00123', '12.3', '1235', '-0.0456', 'NaN'],
    );
  });
});
