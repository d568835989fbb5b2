import {
  fitPretrainRecipe,
  pretrain,
  pretrainRecipes,
  pretrainSynthetic,
  suiteRecipes,
} from '@polygate/app-pretrain';
import { describeRecipe } from '@polygate/runs';
import { createProgress } from '@polygate/terminal';
import type { ResumeMode } from '@polygate/training';
import type { Command } from 'commander';
import { readRecipe } from '../extensions.ts';
import { isChild, runProcesses, withoutOption } from '../processes.ts';
import { asRank, processCount } from '../ranks.ts';
import type { Terminal } from '../terminal.ts';
import {
  baseText,
  engineOverrides,
  withEngine,
  withRecipe,
  withResume,
  type EngineFlags,
  type RecipeFlags,
} from './options.ts';

interface PretrainFlags extends RecipeFlags, EngineFlags {
  readonly run?: string;
  readonly suite?: string;
  readonly base?: string;
  readonly resume: ResumeMode;
  readonly describe?: boolean;
  readonly synthetic?: boolean;
  readonly processes?: number;
}

/** `polygate pretrain`: joint training of one encoder on all tasks of a suite. */
export const addPretrain = (program: Command, terminal: Terminal): void => {
  withResume(withEngine(withRecipe(program.command('pretrain'), 'demo')))
    .description('joint training of one shared encoder on all tasks -> a run folder')
    .option('--suite <folder>', 'prepared suite (default: the recipe’s)')
    .option('--run <folder>', 'folder of the run (default: runs/<name of the recipe>)')
    .option('--base <folder>', baseText)
    .option('--synthetic', 'train on made-up data with small batches, to see that a recipe runs')
    .option(
      '--processes <count>',
      'processes on this machine that train together; torchrun, mpirun and srun start them without it',
      processCount,
    )
    .option('--describe', 'print the parameter table of the recipe and do nothing else')
    .addHelpText(
      'after',
      `\nRecipes: ${[...Object.keys(pretrainRecipes), ...Object.keys(suiteRecipes)].join(', ')}, or a .json/.js file.`,
    )
    .action(async (flags: PretrainFlags) => {
      const { recipe, set } = await readRecipe(flags.recipe ?? 'demo', {
        set: [...flags.set, ...engineOverrides(flags)],
        extension: flags.extension,
      });
      const { logger, signal } = terminal;
      const choice = { recipe, set, ...(flags.suite === undefined ? {} : { suite: flags.suite }) };
      if (flags.describe) {
        terminal.print(describeRecipe(await fitPretrainRecipe(choice, logger)));
        return;
      }
      if (flags.processes !== undefined && flags.processes > 1 && !isChild()) {
        // What is wrong with the command line is said once, before there are processes.
        await fitPretrainRecipe(choice);
        await runProcesses(flags.processes, {
          argv: withoutOption(process.argv.slice(2), '--processes'),
          terminal,
        });
        return;
      }
      const train = flags.synthetic ? pretrainSynthetic : pretrain;
      const { result, isFirst } = await asRank(async (communicator) => {
        const first = communicator.rank === 0;
        if (communicator.size > 1 && first) logger.info(`${communicator.size} processes train together`);
        const trained = await train(
          {
            ...choice,
            resume: flags.resume,
            ...(flags.run === undefined ? {} : { run: flags.run }),
            ...(flags.base === undefined ? {} : { base: flags.base }),
          },
          { logger, signal, communicator, progress: createProgress(terminal.stream, logger) },
        );
        return { result: trained, isFirst: first };
      });
      if (!isFirst) return;
      const verb = result.status === 'finished' ? 'finished' : 'stopped';
      logger.info(`${verb} at step ${result.step}: ${result.checkpoint}`);
      if (result.status === 'stopped') logger.info('run the same command again to go on');
    });
};
