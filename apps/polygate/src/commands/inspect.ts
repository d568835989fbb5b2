import {
  formatDiagnostics,
  formatInterference,
  inspectDiagnostics,
  inspectInterference,
  inspectReport,
} from '@polygate/app-inspect';
import { ConfigError } from '@polygate/core';
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { baseText, type EngineFlags, engineOptions, list, positive, withEngine } from './options.ts';

interface ReportFlags {
  readonly run: string;
  readonly base?: string;
  readonly against?: string;
  readonly out?: string;
}

interface InterferenceFlags extends EngineFlags {
  readonly run: string;
  readonly base?: string;
  readonly suite?: string;
  readonly tasks?: readonly string[];
  readonly layers?: readonly number[];
  readonly linear?: readonly string[];
  readonly batches?: number;
  readonly directions?: number;
  readonly step?: number;
  readonly updates?: number;
  readonly rounds?: number;
  readonly seed?: number;
  readonly json?: string;
}

type DiagnosticsFlags = Pick<
  InterferenceFlags,
  keyof EngineFlags | 'run' | 'base' | 'suite' | 'tasks' | 'batches' | 'step' | 'seed' | 'json'
>;

const numbers = (value: string): number[] => list(value).map(positive('--layers', 2048));

/** Most updates, directions and shares that are measured. */
const MAX_AMOUNT = 1e6;

/** Reads a number above 0, or 0 where that switches something off. @throws ConfigError naming the option */
const amount =
  (option: string, least: 'zero' | 'above') =>
  (value: string): number => {
    const number = Number(value);
    if (value.trim() !== '' && number <= MAX_AMOUNT && (least === 'zero' ? number >= 0 : number > 0))
      return number;
    throw new ConfigError(
      `${option}: expected a number ${least === 'zero' ? 'of at least 0' : 'above 0'}${number > MAX_AMOUNT ? ` and at most ${MAX_AMOUNT}` : ''}, got "${value}"`,
      { fields: { option, value } },
    );
  };

/** The run that a command measures, and on what. */
const withMeasuredRun = (command: Command): Command =>
  withEngine(command)
    .requiredOption('--run <folder>', 'folder of a run')
    .option(
      '--checkpoint <name>',
      'checkpoint to measure: best, last, or a name such as step-1500 (default: best where there is one, else last)',
    )
    .option('--base <folder>', baseText)
    .option('--suite <folder>', 'prepared suite (default: the one that the run was trained on)');

/** `polygate inspect interference|diagnostics|report`: what went on inside a run. */
export const addInspect = (program: Command, terminal: Terminal): void => {
  const inspect = program
    .command('inspect')
    .description('what went on inside a run: interference, figures, a report');
  const { logger, signal } = terminal;

  withMeasuredRun(inspect.command('interference'))
    .description(
      'what a step of one task does to the loss of another -> a table and RUN/inspect/interference.json',
    )
    .option('--tasks <names>', 'two or more tasks, separated by commas (default: all of the run)', list)
    .option(
      '--layers <numbers>',
      'layers counted from 1 (default: a third of the way up, and the last)',
      numbers,
    )
    .option(
      '--linear <names>',
      'attention.qkv, attention.output, ffn.fc1 or ffn.fc2 (default: ffn.fc2)',
      list,
    )
    .option('--batches <count>', 'batches of each task (default: 32)', positive('--batches', 2 ** 16))
    .option(
      '--directions <count>',
      'steps of each task after which each batch is evaluated; 0 leaves the exact changes out (default: 4)',
      amount('--directions', 'zero'),
    )
    .option(
      '--step <share>',
      'length of a step as a share of the weights’ norm (default: 0.001)',
      amount('--step', 'above'),
    )
    .option(
      '--updates <count>',
      'updates in a row on one task alone, with the run’s optimizer, before all are looked at; 0 for none (default: 0)',
      amount('--updates', 'zero'),
    )
    .option(
      '--rounds <count>',
      'rounds of those updates for each task (default: 8)',
      positive('--rounds', 2 ** 16),
    )
    .option(
      '--seed <number>',
      'seed of masks, augmentation and negatives (default: 1)',
      positive('--seed', Number.MAX_SAFE_INTEGER),
    )
    .option('--json <file>', 'where the result goes (default: RUN/inspect/interference.json)')
    .action(
      async (
        { engine: _e, device: _d, precision: _p, threads: _t, linear, ...flags }: InterferenceFlags,
        command: Command,
      ) => {
        const { record, file } = await inspectInterference(
          {
            ...flags,
            ...engineOptions(command.opts<EngineFlags>()),
            ...(linear === undefined ? {} : { linears: linear }),
          },
          { logger, signal },
        );
        terminal.print(formatInterference(record));
        logger.info(`wrote ${file}`);
      },
    );

  withMeasuredRun(inspect.command('diagnostics'))
    .description(
      'how gradients of modalities and tasks agree, and how each fits and generalises -> a table and RUN/inspect/diagnostics.json',
    )
    .option('--tasks <names>', 'tasks, separated by commas (default: all of the run)', list)
    .option(
      '--batches <count>',
      'batches of each task and split (default: 8)',
      positive('--batches', 2 ** 16),
    )
    .option(
      '--step <share>',
      'length of the step on a task whose effect on the others is looked at, as a share of the weights’ norm (default: 0.001)',
      amount('--step', 'above'),
    )
    .option(
      '--seed <number>',
      'seed of the rows that are drawn (default: 1)',
      positive('--seed', Number.MAX_SAFE_INTEGER),
    )
    .option('--json <file>', 'where the result goes (default: RUN/inspect/diagnostics.json)')
    .action(
      async (
        { engine: _e, device: _d, precision: _p, threads: _t, ...flags }: DiagnosticsFlags,
        command: Command,
      ) => {
        const { record, file } = await inspectDiagnostics(
          { ...flags, ...engineOptions(command.opts<EngineFlags>()) },
          { logger, signal },
        );
        terminal.print(formatDiagnostics(record));
        logger.info(`wrote ${file}`);
      },
    );

  inspect
    .command('report')
    .description(
      'losses, gates, expert load and interference of a run as figures -> RUN/inspect/report.html, SVG and PNG',
    )
    .requiredOption('--run <folder>', 'folder of a run')
    .option('--base <folder>', baseText)
    .option('--against <folder>', 'another run to show beside it')
    .option('--out <folder>', 'where the report goes (default: RUN/inspect)')
    .action(async ({ run, base, against, out }: ReportFlags) => {
      const { page, figures } = await inspectReport(
        {
          run,
          ...(base === undefined ? {} : { base }),
          ...(against === undefined ? {} : { against }),
          ...(out === undefined ? {} : { output: out }),
        },
        { logger },
      );
      logger.info(`${figures.length} figures beside it`);
      terminal.print(`report: ${page}`);
    });
};
