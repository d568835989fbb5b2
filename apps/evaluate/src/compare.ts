/** Two evaluated runs against each other: the paired tests of every score that both have, and what they say in words. */
import { ConfigError } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import {
  compareCorpora,
  compareOutcomes,
  formatNumber,
  holmAdjusted,
  type OutcomeComparison,
} from '@polygate/evaluation';
import { join } from 'node:path';
import { readOutcomes, type Outcomes, type ScoredSamples } from './outcomes.ts';

/** Probability below which a difference counts as more than luck. */
const LEVEL = 0.05;

export interface ScoreComparison extends OutcomeComparison {
  readonly task: string;
  readonly split: string;
  readonly metric: string;
  /** Which way the metric is better. */
  readonly better: 'higher' | 'lower';
  /** The scores as they are reported. */
  readonly values: { readonly a: number; readonly b: number };
  /** The probability, made larger for the number of scores that are compared, see `holmAdjusted`. */
  readonly adjusted: number;
  /** Which run is better: undefined where the samples do not show it. */
  readonly winner: 'a' | 'b' | undefined;
  /** The same in words. */
  readonly verdict: string;
}

export interface Comparison {
  readonly a: string;
  readonly b: string;
  readonly scores: readonly ScoreComparison[];
  /** Scores that one of them lacks, as `task, split, metric`. */
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
}

export interface CompareOptions {
  /** Of permutations and resampling. @default 1 */
  readonly seed?: number;
  /** Compare details too. @default false */
  readonly details?: boolean;
  /** Folder for comparison.json and comparison.md. @default nothing is written */
  readonly output?: string;
}

const nameOf = ({ task, split, metric }: Pick<ScoredSamples, 'task' | 'split' | 'metric'>): string =>
  `${task}, ${split}, ${metric}`;

const chance = (p: number): string => (p < 0.001 ? 'p < 0.001' : `p = ${formatNumber(p, 2)}`);

const verdictOf = (
  compared: OutcomeComparison,
  adjusted: number,
): Pick<ScoreComparison, 'winner' | 'verdict'> => {
  const { ahead, count, differing } = compared;
  if (differing === 0) return { winner: undefined, verdict: 'the same on every sample' };
  if (ahead !== undefined && adjusted < LEVEL) {
    return { winner: ahead, verdict: `${ahead.toUpperCase()} is better (${chance(adjusted)})` };
  }
  const lead = ahead === undefined ? '' : `; ${ahead.toUpperCase()} is ahead`;
  return {
    winner: undefined,
    verdict: `no difference that ${count} samples show (${chance(adjusted)}${lead})`,
  };
};

/**
 * Compares the scores that both evaluations have, each by its samples.
 * @throws ConfigError where they share no score, or (code `other-samples`) scored other samples
 */
export const compareScores = (a: Outcomes, b: Outcomes, options: CompareOptions = {}): Comparison => {
  const { seed = 1, details = false } = options;
  const wanted = (all: Outcomes): readonly ScoredSamples[] =>
    all.scores.filter(({ detail }) => details || detail !== true);
  const others = new Map(wanted(b).map((score) => [nameOf(score), score]));
  const pairs = wanted(a).flatMap((score) => {
    const other = others.get(nameOf(score));
    return other ? [[score, other] as const] : [];
  });
  if (pairs.length === 0) {
    const list = (all: Outcomes): string => wanted(all).map(nameOf).slice(0, 3).join('; ') || 'none';
    throw new ConfigError(
      `compare: expected scores that both runs have, got ${list(a)} of ${a.run} and ${list(b)} of ${b.run}; evaluate both on the same suite`,
      { code: 'nothing-to-compare' },
    );
  }
  const compared = pairs.map(([left, right]) => {
    try {
      if (left.outcomes && right.outcomes) return compareOutcomes(left.outcomes, right.outcomes, { seed });
      if (left.corpus && right.corpus) return compareCorpora(left.corpus, right.corpus, { seed });
      throw new ConfigError('expected the same kind of outcomes, got others; evaluate both again');
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ConfigError(`compare: ${nameOf(left)}: ${reason}`, { code: 'other-samples', cause });
    }
  });
  const adjusted = holmAdjusted(compared.map(({ probability }) => probability));
  const names = new Set(pairs.map(([score]) => nameOf(score)));
  const rest = (all: Outcomes): readonly string[] =>
    wanted(all)
      .map(nameOf)
      .filter((name) => !names.has(name));
  return {
    a: a.run,
    b: b.run,
    scores: pairs.map(([left, right], i) => {
      const { task, split, metric, better } = left;
      const outcome = compared[i] as OutcomeComparison;
      const p = adjusted[i] ?? 1;
      const values = { a: left.value, b: right.value };
      return { task, split, metric, better, values, ...outcome, adjusted: p, ...verdictOf(outcome, p) };
    }),
    onlyA: rest(a),
    onlyB: rest(b),
  };
};

const headings = ['score', 'A', 'B', 'B - A', '95 % interval', 'p', 'verdict'] as const;

const rowsOf = ({ scores }: Comparison): readonly (readonly string[])[] =>
  scores.map((score) => [
    `${nameOf(score)}${score.better === 'lower' ? ' (lower is better)' : ''}`,
    formatNumber(score.values.a),
    formatNumber(score.values.b),
    formatNumber(score.difference),
    score.interval.every(Number.isFinite)
      ? score.interval.map((end) => formatNumber(end)).join(' to ')
      : 'unknown',
    score.probability < 0.001 ? '< 0.001' : formatNumber(score.probability, 2),
    score.verdict,
  ]);

const summaryOf = ({ scores }: Comparison): string => {
  const won = (side: 'a' | 'b'): number => scores.filter(({ winner }) => winner === side).length;
  const [a, b] = [won('a'), won('b')];
  if (a === 0 && b === 0) return 'Neither run is shown to be better on any score.';
  return `A is better on ${a}, B on ${b} of ${scores.length} scores; of the others the samples do not show it.`;
};

/** The comparison as text: plain with aligned columns, or markdown. */
export const formatComparison = (
  comparison: Comparison,
  { style = 'plain' }: { readonly style?: 'plain' | 'markdown' } = {},
): string => {
  const rows = [headings, ...rowsOf(comparison)];
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const table =
    style === 'markdown'
      ? [line(headings), line(headings.map(() => '---')), ...rows.slice(1).map(line)]
      : rows.map((row) =>
          row
            .map((cell, column) => cell.padEnd(widths[column] ?? 0))
            .join('  ')
            .trimEnd(),
        );
  const left = [
    ...comparison.onlyA.map((name) => `only in A: ${name}`),
    ...comparison.onlyB.map((name) => `only in B: ${name}`),
  ];
  return [
    `A: ${comparison.a}`,
    `B: ${comparison.b}`,
    '',
    ...table,
    '',
    summaryOf(comparison),
    'B - A is the mean over samples of what each scored (log probabilities for perplexity), of macro-F1 and BLEU-4 the',
    'difference itself; p is two-sided, and verdicts take it after Holm, for the number of scores.',
    ...(left.length > 0 ? ['', ...left] : []),
    '',
  ].join('\n');
};

/**
 * Compares two evaluated runs.
 * @param a folder that the results of an evaluation were written to
 * @throws StateError for a folder that was not evaluated; ConfigError as {@link compareScores}; FormatError for damaged files
 */
export const compareRuns = async (
  a: string,
  b: string,
  options: CompareOptions = {},
): Promise<Comparison> => {
  const [left, right] = [await readOutcomes(a), await readOutcomes(b)];
  const comparison = compareScores({ ...left, run: a }, { ...right, run: b }, options);
  const { output } = options;
  if (output !== undefined) {
    await writeFileAtomic(join(output, 'comparison.json'), `${JSON.stringify(comparison, null, 2)}\n`);
    await writeFileAtomic(
      join(output, 'comparison.md'),
      `# Comparison\n\n${formatComparison(comparison, { style: 'markdown' })}`,
    );
  }
  return comparison;
};
