/** outcomes.json: what each sample scored, so that two runs can be compared on the same samples. */
import { ConfigError, excerpt, FormatError, parseJson, StateError } from '@polygate/core';
import {
  corpusStatistic,
  type CorpusOutcomes,
  type CorpusStatistic,
  type SampleOutcomes,
  type ScoreReport,
} from '@polygate/evaluation';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

export const OUTCOMES_FILE = 'outcomes.json';
const VERSION = 1;
/** Digits that are kept: tests need no more, and files stay small. */
const DIGITS = 9;

/** A score with what its samples scored. */
export interface ScoredSamples extends Pick<ScoreReport, 'task' | 'split' | 'metric' | 'value' | 'better'> {
  readonly detail?: true;
  /** Of a mean over samples; other scores have `corpus`. */
  readonly outcomes?: SampleOutcomes;
  readonly corpus?: CorpusOutcomes;
}

/** What was evaluated. */
export interface OutcomesHead {
  readonly run: string;
  readonly suite: string;
  readonly evaluationSeed: number;
}

/** The content of outcomes.json for these scores; those that two runs can't be compared by are left out. */
export const serializeOutcomes = (head: OutcomesHead, scores: readonly ScoreReport[]): string => {
  const groups: (readonly (number | string)[])[] = [];
  const placeOf = (values: readonly (number | string)[]): number => {
    const at = groups.findIndex(
      (each) => each.length === values.length && each.every((group, i) => group === values[i]),
    );
    return at >= 0 ? at : groups.push(values) - 1;
  };
  const short = (value: number): number => Number(value.toPrecision(DIGITS));
  const at = (values: SampleOutcomes['groups']) => (values ? { groups: placeOf(values) } : {});
  const kept = scores
    .filter(({ outcomes, corpus }) => outcomes || corpus)
    .map(({ task, split, metric, value, better, detail, outcomes, corpus }) => ({
      task,
      split,
      metric,
      value,
      better,
      ...(detail ? { detail } : {}),
      ...(outcomes
        ? {
            outcomes: {
              better: outcomes.better,
              ...at(outcomes.groups),
              values: outcomes.values.map(short),
            },
          }
        : {}),
      ...(corpus && !outcomes
        ? { corpus: { statistic: corpus.statistic, ...at(corpus.groups), rows: corpus.rows } }
        : {}),
    }));
  return `${JSON.stringify({ version: VERSION, ...head, groups, scores: kept })}\n`;
};

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isDirection = (value: unknown): value is 'higher' | 'lower' => value === 'higher' || value === 'lower';

/** What two runs are compared by. */
export interface Outcomes extends OutcomesHead {
  readonly scores: readonly ScoredSamples[];
}

const parse = (content: unknown, path: string): Outcomes => {
  const fail = (expected: string, got: unknown): FormatError =>
    new FormatError(`${path}: expected ${expected}, got ${excerpt(got, 40)}; evaluate the run again`, {
      code: 'outcomes',
      fields: { path },
    });
  if (!isFields(content)) throw fail('an object', content);
  const { version, run, suite, evaluationSeed, groups, scores } = content;
  if (version !== VERSION) throw fail(`version ${VERSION}`, version);
  if (typeof run !== 'string' || typeof suite !== 'string') throw fail('names of run and suite', run);
  if (typeof evaluationSeed !== 'number') throw fail('the seed of the evaluation', evaluationSeed);
  if (!Array.isArray(groups) || !Array.isArray(scores)) throw fail('lists of groups and scores', groups);
  const groupsAt = (at: unknown, count: number): { groups?: (number | string)[] } => {
    if (at === undefined) return {};
    const values: unknown = groups[Number(at)];
    if (!(Array.isArray(values) && values.length === count))
      throw fail(`a list of groups for ${count} samples`, at);
    return { groups: values as (number | string)[] };
  };
  const samplesOf = ({ values, groups: at, better }: Fields): SampleOutcomes => {
    const finite = Array.isArray(values) && values.every((each) => Number.isFinite(each));
    if (!finite || !isDirection(better)) throw fail('finite values of samples', values);
    return { values: values as number[], better, ...groupsAt(at, values.length) };
  };
  const corpusOf = ({ statistic, rows, groups: at }: Fields): CorpusOutcomes => {
    const isRow = (row: unknown): boolean => Array.isArray(row) && row.every((each) => Number.isFinite(each));
    if (!(Array.isArray(rows) && rows.every(isRow))) throw fail('rows of finite numbers', rows);
    corpusStatistic(statistic as CorpusStatistic);
    return {
      statistic: statistic as CorpusStatistic,
      rows: rows as number[][],
      ...groupsAt(at, rows.length),
    };
  };
  const parsed = scores.map((score: unknown): ScoredSamples => {
    if (!isFields(score)) throw fail('scores', score);
    const { task, split, metric, value, better, detail, outcomes, corpus } = score;
    const names = [task, split, metric];
    if (!names.every((name) => typeof name === 'string') || typeof value !== 'number' || !isDirection(better))
      throw fail('task, split, metric, value and direction of a score', names);
    if (!isFields(outcomes) && !isFields(corpus)) throw fail('outcomes of a score', score);
    return {
      task: task as string,
      split: split as string,
      metric: metric as string,
      value,
      better,
      ...(detail === true ? { detail } : {}),
      ...(isFields(outcomes) ? { outcomes: samplesOf(outcomes) } : {}),
      ...(isFields(corpus) ? { corpus: corpusOf(corpus) } : {}),
    };
  });
  return { run, suite, evaluationSeed, scores: parsed };
};

/**
 * Reads the outcomes of an evaluation.
 * @param folderOrFile folder where an evaluation wrote its results, or the file
 * @throws StateError for a folder that was not evaluated; FormatError for a damaged file
 */
export const readOutcomes = async (folderOrFile: string): Promise<Outcomes> => {
  const stats = await stat(folderOrFile).catch(() => undefined);
  if (!stats)
    throw new ConfigError(`compare: expected a folder of a run or of results, got none at ${folderOrFile}`);
  const path = stats.isDirectory() ? join(folderOrFile, OUTCOMES_FILE) : folderOrFile;
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new StateError(
      `compare: expected ${OUTCOMES_FILE} in ${folderOrFile}, got none; evaluate the run first: polygate evaluate --run ${folderOrFile}`,
      { code: 'not-evaluated', cause },
    );
  }
  return parse(parseJson(bytes, basename(path)), path);
};
