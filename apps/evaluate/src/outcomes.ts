/** outcomes.json: what each sample scored, so that two runs can be compared on the same samples. */
import { ConfigError, excerpt, FormatError, parseJson, StateError } from '@polygate/core';
import type { SampleOutcomes, ScoreReport } from '@polygate/evaluation';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

export const OUTCOMES_FILE = 'outcomes.json';
const VERSION = 1;
/** Digits that are kept: tests need no more, and files stay small. */
const DIGITS = 9;

/** A score with what its samples scored. */
export interface ScoredSamples extends Pick<ScoreReport, 'task' | 'split' | 'metric' | 'value' | 'better'> {
  readonly detail?: true;
  readonly outcomes: SampleOutcomes;
}

/** What was evaluated. */
export interface OutcomesHead {
  readonly run: string;
  readonly suite: string;
  readonly evaluationSeed: number;
}

/** The content of outcomes.json for these scores; those without values of samples are left out. */
export const serializeOutcomes = (head: OutcomesHead, scores: readonly ScoreReport[]): string => {
  const groups: (readonly (number | string)[])[] = [];
  const placeOf = (own: readonly (number | string)[]): number => {
    const at = groups.findIndex(
      (each) => each.length === own.length && each.every((group, i) => group === own[i]),
    );
    return at >= 0 ? at : groups.push(own) - 1;
  };
  const kept = scores.flatMap(({ task, split, metric, value, better, detail, outcomes }) =>
    outcomes
      ? [
          {
            task,
            split,
            metric,
            value,
            better,
            ...(detail ? { detail } : {}),
            outcomes: {
              better: outcomes.better,
              ...(outcomes.groups ? { groups: placeOf(outcomes.groups) } : {}),
              values: outcomes.values.map((each) => Number(each.toPrecision(DIGITS))),
            },
          },
        ]
      : [],
  );
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
  const parsed = scores.map((score: unknown): ScoredSamples => {
    if (!isFields(score) || !isFields(score['outcomes'])) throw fail('scores with outcomes', score);
    const { task, split, metric, value, better, detail, outcomes } = score;
    const names = [task, split, metric];
    if (!names.every((name) => typeof name === 'string') || typeof value !== 'number' || !isDirection(better))
      throw fail('task, split, metric, value and direction of a score', names);
    const { values, groups: at, better: direction } = outcomes as Fields;
    const finite = Array.isArray(values) && values.every((each) => Number.isFinite(each));
    if (!finite || !isDirection(direction)) throw fail('finite values of samples', values);
    const own: unknown = at === undefined ? undefined : groups[Number(at)];
    if (at !== undefined && !(Array.isArray(own) && own.length === values.length))
      throw fail(`a list of groups for ${values.length} samples`, at);
    return {
      task: task as string,
      split: split as string,
      metric: metric as string,
      value,
      better,
      ...(detail === true ? { detail } : {}),
      outcomes: {
        values: values as number[],
        better: direction,
        ...(own === undefined ? {} : { groups: own as (number | string)[] }),
      },
    };
  });
  return { run, suite, evaluationSeed, scores: parsed };
};

/**
 * Reads the outcomes of an evaluation.
 * @param place folder where an evaluation wrote its results, or the file
 * @throws StateError for a folder that was not evaluated; FormatError for a damaged file
 */
export const readOutcomes = async (place: string): Promise<Outcomes> => {
  const found = await stat(place).catch(() => undefined);
  if (!found)
    throw new ConfigError(`compare: expected a folder of a run or of results, got none at ${place}`);
  const path = found.isDirectory() ? join(place, OUTCOMES_FILE) : place;
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new StateError(
      `compare: expected ${OUTCOMES_FILE} in ${place}, got none; evaluate the run first: polygate evaluate --run ${place}`,
      { code: 'not-evaluated', cause },
    );
  }
  return parse(parseJson(bytes, basename(path)), path);
};
