/** docs/results/<experiment>.json: finished runs with everything that tables and figures are drawn from. */
import type { InterferenceRecord } from '@polygate/interference';
import { ConfigError, excerpt, FormatError, parseJson } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ScoredMetric, Variant } from './experiment.ts';

/** Numbers of a run by task and metric. */
export type Scores = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What a run cost. Times are processor time, which neighbours on the machine disturb less than the clock. */
export interface RunPrice {
  /** Milliseconds of one update, mean over this process's part of the run. */
  readonly trainStepMs: number;
  /** Milliseconds of one pass over the scored batches with warm caches. */
  readonly inferenceMs: number;
  /** Most resident memory of the process. */
  readonly peakMegabytes: number;
  readonly parameters: number;
}

/** Interference at one checkpoint of a run. */
export interface InterferenceAt extends Pick<
  InterferenceRecord,
  'sites' | 'updates' | 'rounds' | 'learningRate' | 'model'
> {
  readonly checkpoint: string;
}

/** One trained and scored model. */
export interface RunResult {
  readonly variant: string;
  readonly seed: number;
  /** Hash of the resolved recipe and the suite. */
  readonly key: string;
  /** Version of the code that trained it; ends in `+` when files were changed. */
  readonly commit: string;
  readonly scores: Scores;
  readonly price: RunPrice;
  /** Processor time of training and scoring. */
  readonly hours: number;
  /** By checkpoint. */
  readonly interference?: readonly InterferenceAt[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly node: string;
  /** The engine's own line. */
  readonly engine: string;
}

/** What the results of every experiment say of themselves. */
export interface ResultsHead {
  readonly experiment: string;
  readonly title: string;
  readonly question: string;
  readonly command: string;
  /** Name of the variant that the others are compared with. */
  readonly baseline: string;
  readonly machine: Machine;
}

export interface ExperimentResults extends ResultsHead {
  /** Resolved recipe of the baseline; variants differ from it in `model.moe`, runs in `seed`. */
  readonly recipe: unknown;
  readonly suite: unknown;
  readonly metrics: readonly ScoredMetric[];
  readonly variants: readonly Variant[];
  readonly tasks: readonly string[];
  readonly runs: readonly RunResult[];
}

/** Folder of results and documents. */
export const RESULTS_FOLDER = join('docs', 'results');

const fileOf = (folder: string, experiment: string): string => join(folder, `${experiment}.json`);

export const writeResults = async (results: ResultsHead, folder = RESULTS_FOLDER): Promise<string> => {
  const path = fileOf(folder, results.experiment);
  await writeFileAtomic(path, `${JSON.stringify(results, null, 1)}\n`);
  return path;
};

/**
 * Runs of the results that are written, by key: one that another machine finished is not made again.
 * @throws FormatError when it is no results file
 */
export const recordedRuns = async <Run extends { readonly key: string }>(
  experiment: string,
  folder = RESULTS_FOLDER,
): Promise<ReadonlyMap<string, Run>> => {
  if (!existsSync(fileOf(folder, experiment))) return new Map();
  const { runs } = await readResults<ResultsHead & { readonly runs: readonly Run[] }>(experiment, folder);
  return new Map(runs.map((run) => [run.key, run]));
};

/** @throws ConfigError when there is none yet, FormatError when it is no results file */
export const readResults = async <Results extends ResultsHead & { readonly runs: readonly unknown[] }>(
  experiment: string,
  folder = RESULTS_FOLDER,
): Promise<Results> => {
  const path = fileOf(folder, experiment);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ConfigError(
      `results: expected ${path}, got no such file; run \`npm run experiment -- ${experiment}\` first`,
      { cause },
    );
  }
  const value = (parseJson(bytes, `results ${path}`, { remedy: 'run it again' }) ?? {}) as Partial<Results>;
  if (value.experiment !== experiment || !Array.isArray(value.runs)) {
    throw new FormatError(
      `results ${path}: expected those of the experiment "${experiment}", got ${excerpt(value.experiment)}; run it again`,
    );
  }
  return value as Results;
};
