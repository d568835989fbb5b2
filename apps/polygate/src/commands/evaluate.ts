import { compareRuns, evaluate, formatComparison, probeRun } from '@polygate/app-evaluate';
import { ConfigError } from '@polygate/core';
import { formatScores } from '@polygate/evaluation';
import { parseTasks } from '@polygate/generalist';
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import {
  checkpointOptions,
  collect,
  engineOptions,
  list,
  positive,
  withCheckpoint,
  withEngine,
  type CheckpointFlags,
  type EngineFlags,
} from './options.ts';
import { collectFamilyOption, type FamilyOptions } from './predict-options.ts';

interface EvaluateFlags extends EngineFlags, CheckpointFlags {
  readonly run?: string;
  readonly compare?: readonly string[];
  readonly probe?: boolean;
  readonly details?: boolean;
  readonly suite?: string;
  readonly out?: string;
  readonly splits?: readonly string[];
  readonly datasets?: readonly string[];
  readonly task: readonly string[];
  readonly set: readonly string[];
  readonly limit?: number;
  readonly seed?: number;
  readonly predict?: FamilyOptions;
  readonly json?: boolean;
}

/** What the flags say of what is scored, for an evaluation and a probe alike. */
const chosen = (flags: EvaluateFlags) => {
  const { suite, out, splits, datasets, limit, seed } = flags;
  return {
    ...engineOptions(flags),
    ...checkpointOptions(flags),
    ...(suite === undefined ? {} : { suite }),
    ...(out === undefined ? {} : { output: out }),
    ...(splits ? { splits } : {}),
    ...(datasets ? { datasets } : {}),
    ...(limit === undefined ? {} : { limit }),
    ...(seed === undefined ? {} : { seed }),
  };
};

/** `--compare A B`: no run is opened, what evaluations wrote is compared. */
const compare = async (flags: EvaluateFlags, terminal: Terminal): Promise<void> => {
  const [a, b, ...more] = flags.compare ?? [];
  if (a === undefined || b === undefined || more.length > 0 || flags.run !== undefined || flags.probe) {
    throw new ConfigError(
      `evaluate --compare: expected two evaluated runs and neither --run nor --probe, got ${flags.compare?.length ?? 0}; as in: polygate evaluate --compare runs/a runs/b`,
    );
  }
  const { seed, out, details = false } = flags;
  const comparison = await compareRuns(a, b, {
    details,
    ...(seed === undefined ? {} : { seed }),
    ...(out === undefined ? {} : { output: out }),
  });
  terminal.print(flags.json ? JSON.stringify(comparison) : formatComparison(comparison).trimEnd());
};

/** `polygate evaluate`: scores with intervals beside chance and baselines. */
export const addEvaluate = (program: Command, terminal: Terminal): void => {
  withCheckpoint(withEngine(program.command('evaluate')))
    .description('scores of a run on held-out splits -> evaluation.json, report.md, outcomes.json, sheet.png')
    .option('--run <folder>', 'folder of a run or of a model, or a package such as @polygate/mini')
    .option(
      '--compare <folders...>',
      'two evaluated runs: which is better on each score, and how sure that is; opens neither',
    )
    .option('--probe', 'nearest neighbours and a linear probe on the frozen embeddings -> probe.json')
    .option('--suite <folder>', 'prepared suite (default: the one that the run was trained on)')
    .option('--out <folder>', 'where the results go (default: the run folder; --compare writes none)')
    .option('--splits <names>', 'splits to score, separated by commas (default: all but train)', list)
    .option('--datasets <names>', 'datasets to score, separated by commas (default: all)', list)
    .option(
      '--task <NAME=FAMILY:DATASET>',
      'score this task, also one that the run was never trained on; may be given again',
      collect,
      [],
    )
    .option(
      '--set <path=value>',
      'change one setting of such a task, tasks.NAME.key=value; may be given again',
      collect,
      [],
    )
    .option('--limit <rows>', 'most rows of a split', positive('--limit', 2 ** 31))
    .option(
      '--seed <number>',
      'seed of masks, choice of rows and resampling (default: 1)',
      positive('--seed', Number.MAX_SAFE_INTEGER),
    )
    .option(
      '--predict <family.option=value>',
      'option of a family’s predictions, such as image-captioning.beam=5; may be given again',
      collectFamilyOption,
    )
    .option('--details', 'print or compare the scores too that say more')
    .option('--json', 'print the scores as one JSON object')
    .action(async (flags: EvaluateFlags) => {
      if (flags.compare) return compare(flags, terminal);
      const { run } = flags;
      if (run === undefined) {
        throw new ConfigError(
          'evaluate: expected --run FOLDER, or --compare A B, got neither; name the folder of a run or of a model',
        );
      }
      const context = { logger: terminal.logger, signal: terminal.signal };
      const show = <Result extends { readonly files: object }>(result: Result, table: string): void => {
        terminal.print(flags.json ? JSON.stringify(result) : table);
        terminal.logger.info(`written: ${Object.values(result.files).join(', ')}`);
      };
      if (flags.probe) {
        const { scores, files } = await probeRun({ run, ...chosen(flags) }, context);
        return show({ scores, files }, formatScores(scores));
      }
      const predict = flags.predict === undefined ? {} : { predict: flags.predict };
      if (flags.task.length === 0 && flags.set.length > 0) {
        throw new ConfigError(
          'evaluate --set: expected --task NAME=FAMILY:DATASET whose settings are changed, got none; name the task',
        );
      }
      const tasks = flags.task.length > 0 ? { tasks: parseTasks(flags.task, flags.set) } : {};
      const { scores, details, files } = await evaluate(
        { run, ...chosen(flags), ...tasks, ...predict },
        context,
      );
      show({ scores, details, files }, formatScores(flags.details ? [...scores, ...details] : scores));
    });
};
