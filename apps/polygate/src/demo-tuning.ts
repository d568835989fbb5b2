/** The second half of the demo: the trained model on clips that it never saw, untuned and prompt-tuned. */
import { evaluate } from '@polygate/app-evaluate';
import { prepare } from '@polygate/app-prepare';
import { tune } from '@polygate/app-tune';
import type { Logger } from '@polygate/core';
import type { ScoreReport } from '@polygate/evaluation';
import { createProgress } from '@polygate/terminal';
import { join } from 'node:path';
import type { Terminal } from './terminal.ts';

/** Dataset of the recipe `demo-clips`. */
const CLIPS = 'moving-digits';

export interface DemoTuningOptions {
  /** Folder of the trained run. */
  readonly run: string;
  /** Folder of the prepared suites. */
  readonly data: string;
  readonly engine: string;
  /** Rows of the test split that are scored. */
  readonly rows: number;
  /** Settings laid over the recipe of tuning. */
  readonly set: readonly string[];
}

/** Scores of the clips before and after, and what was trained for it. */
export interface DemoTuning {
  readonly untuned: ScoreReport;
  readonly tuned: ScoreReport;
  /** Folder of the tuned run. */
  readonly run: string;
}

const accuracyOf = (scores: readonly ScoreReport[]): ScoreReport => {
  const score = scores.find(({ metric, split }) => metric === 'top-1' && split === 'test');
  if (!score) throw new RangeError('internal: the clips have no top-1');
  return score;
};

/** @returns undefined where it was stopped: the same command goes on */
export const tuneDemo = async (
  options: DemoTuningOptions,
  {
    logger,
    signal,
    stream,
  }: Pick<Terminal, 'stream'> & { readonly logger: Logger; readonly signal?: AbortSignal },
): Promise<DemoTuning | undefined> => {
  const { run, data, engine, rows, set } = options;
  const context = { logger, ...(signal ? { signal } : {}) };
  const { directory } = await prepare({ recipe: 'demo-clips', for: run, output: data }, context);
  const scored = { suite: directory, splits: ['test'], limit: rows };
  const before = await evaluate({ run, ...scored }, context);
  const tunedRun = `${run}-clips`;
  const result = await tune(
    {
      recipe: 'demo-prompt',
      from: run,
      suite: directory,
      task: CLIPS,
      run: tunedRun,
      set: [`engine=${engine}`, ...set],
    },
    { ...context, progress: createProgress(stream, logger) },
  );
  if (result.status === 'stopped') return undefined;
  const after = await evaluate({ run: tunedRun, ...scored }, context);
  return { untuned: accuracyOf(before.scores), tuned: accuracyOf(after.scores), run: tunedRun };
};

const share = ({ value, interval: [low, high] }: ScoreReport): string =>
  `${value.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;

/** Three lines for people. */
export const formatDemoTuning = ({ untuned, tuned, run }: DemoTuning): string => {
  const { chance, baselines } = untuned;
  const beside = [
    ...(chance === null ? [] : [`chance ${chance.toFixed(3)}`]),
    ...Object.entries(baselines).map(([name, value]) => `${name} ${value.toFixed(3)}`),
  ];
  return [
    `digits in clips, which it never saw (${beside.join(', ')}):`,
    `  untuned       ${share(untuned)}`,
    `  prompt-tuned  ${share(tuned)}, ${join(run, 'report.md')}`,
  ].join('\n');
};
