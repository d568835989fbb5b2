import { evaluate } from '@polygate/app-evaluate';
import { prepare } from '@polygate/app-prepare';
import { pretrain } from '@polygate/app-pretrain';
import { selectEngine } from '@polygate/tensor';
import { createProgress } from '@polygate/terminal';
import type { Command } from 'commander';
import { join } from 'node:path';
import { formatDemoTuning, tuneDemo } from '../demo-tuning.ts';
import type { Terminal } from '../terminal.ts';
import { collect } from './options.ts';

/** Rows of each split that the demo scores, with a native engine and without; `polygate evaluate` scores more. */
const EVALUATED_ROWS = { native: 700, portable: 200 } as const;

/** Without a native engine: fewer steps and smaller batches. */
const PORTABLE_TUNING = ['steps=100 steps', 'tasks.moving-digits.batchSize=16'];

interface DemoFlags {
  readonly run: string;
  readonly data: string;
  readonly set: readonly string[];
}

/** `polygate demo`: the whole path on real data, from the mini suite to a report and a sheet of predictions. */
export const addDemo = (program: Command, terminal: Terminal): void => {
  program
    .command('demo')
    .description(
      'the whole path on the mini suite: prepare, pretrain, evaluate, report and image sheet, then prompts for clips that it never saw',
    )
    .option('--run <folder>', 'folder of the run', 'runs/demo')
    .option('--data <folder>', 'folder of the prepared suites', 'data')
    .option('--set <path=value>', 'change one setting of the recipe; may be given again', collect, [])
    .action(async (flags: DemoFlags) => {
      const { logger, signal, stream } = terminal;
      const started = performance.now();
      const minutes = (): string => ((performance.now() - started) / 60_000).toFixed(1);
      const engine = await selectEngine({ engine: 'auto', logger });
      const fast = engine.name === 'torch' || engine.name.startsWith('tfjs-node');
      if (!fast) {
        const torch = engine.passedOver.find(({ name }) => name === 'torch');
        logger.warn(
          `no native engine: the demo trains a smaller model on ${engine.name}, with lower scores. ${torch?.remedy ?? ''}`.trim(),
        );
      }
      const { directory } = await prepare({ recipe: 'mini', output: flags.data }, { logger, signal });
      logger.info(`[${minutes()} min] the suite is prepared`);
      const trained = await pretrain(
        {
          recipe: fast ? 'demo' : 'demo-wasm',
          set: [`suite=${directory}`, `engine=${engine.name}`, ...flags.set],
          run: flags.run,
        },
        { logger, signal, progress: createProgress(stream, logger) },
      );
      if (trained.status === 'stopped') {
        logger.info('stopped; run the same command again to go on');
        return;
      }
      logger.info(`[${minutes()} min] trained`);
      await evaluate(
        { run: flags.run, suite: directory, limit: fast ? EVALUATED_ROWS.native : EVALUATED_ROWS.portable },
        { logger, signal },
      );
      logger.info(`[${minutes()} min] evaluated`);
      const tuning = await tuneDemo(
        {
          run: flags.run,
          data: flags.data,
          engine: engine.name,
          rows: fast ? EVALUATED_ROWS.native : EVALUATED_ROWS.portable,
          set: fast ? ['precision=auto'] : PORTABLE_TUNING,
        },
        { logger, signal, stream },
      );
      if (!tuning) {
        logger.info('stopped; run the same command again to go on');
        return;
      }
      logger.info(`[${minutes()} min] tuned`);
      terminal.print(formatDemoTuning(tuning));
      terminal.print(`report: ${join(flags.run, 'report.md')}\nsheet:  ${join(flags.run, 'sheet.png')}`);
    });
};
