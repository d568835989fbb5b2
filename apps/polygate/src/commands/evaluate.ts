import { evaluate } from '@polygate/app-evaluate';
import { formatScores } from '@polygate/evaluation';
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import {
  checkpointOptions,
  engineOptions,
  list,
  positive,
  withCheckpoint,
  withEngine,
  type CheckpointFlags,
  type EngineFlags,
} from './options.ts';

interface EvaluateFlags extends EngineFlags, CheckpointFlags {
  readonly run: string;
  readonly suite?: string;
  readonly out?: string;
  readonly splits?: readonly string[];
  readonly datasets?: readonly string[];
  readonly limit?: number;
  readonly seed?: number;
  readonly json?: boolean;
}

/** `polygate evaluate`: scores with intervals beside chance and baselines. */
export const addEvaluate = (program: Command, terminal: Terminal): void => {
  withCheckpoint(withEngine(program.command('evaluate')))
    .description('scores of a run on held-out splits -> evaluation.json, report.md, sheet.png')
    .requiredOption('--run <folder>', 'folder of a run or of a model')
    .option('--suite <folder>', 'prepared suite (default: the one that the run was trained on)')
    .option('--out <folder>', 'where the results go (default: the run folder)')
    .option('--splits <names>', 'splits to score, separated by commas (default: all but train)', list)
    .option('--datasets <names>', 'datasets to score, separated by commas (default: all)', list)
    .option('--limit <rows>', 'most rows of a split', positive('--limit', 2 ** 31))
    .option(
      '--seed <number>',
      'seed of masks, choice of rows and resampling (default: 1)',
      positive('--seed', Number.MAX_SAFE_INTEGER),
    )
    .option('--json', 'print the scores as one JSON object')
    .action(async (flags: EvaluateFlags) => {
      const { run, suite, out, splits, datasets, limit, seed } = flags;
      const { scores, files } = await evaluate(
        {
          run,
          ...engineOptions(flags),
          ...checkpointOptions(flags),
          ...(suite === undefined ? {} : { suite }),
          ...(out === undefined ? {} : { output: out }),
          ...(splits ? { splits } : {}),
          ...(datasets ? { datasets } : {}),
          ...(limit === undefined ? {} : { limit }),
          ...(seed === undefined ? {} : { seed }),
        },
        { logger: terminal.logger, signal: terminal.signal },
      );
      terminal.print(
        flags.json ? JSON.stringify({ scores, files }) : formatScores(scores, { style: 'plain' }),
      );
      terminal.logger.info(`written: ${Object.values(files).join(', ')}`);
    });
};
