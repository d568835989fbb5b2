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
}

/** `polygate pretrain`: joint training of one encoder on all tasks of a suite. */
export const addPretrain = (program: Command, terminal: Terminal): void => {
  withResume(withEngine(withRecipe(program.command('pretrain'), 'demo')))
    .description('joint training of one shared encoder on all tasks -> a run folder')
    .option('--suite <folder>', 'prepared suite (default: the recipe’s)')
    .option('--run <folder>', 'folder of the run (default: runs/<name of the recipe>)')
    .option('--base <folder>', baseText)
    .option('--synthetic', 'train on made-up data with small batches, to see that a recipe runs')
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
      const train = flags.synthetic ? pretrainSynthetic : pretrain;
      const result = await train(
        {
          ...choice,
          resume: flags.resume,
          ...(flags.run === undefined ? {} : { run: flags.run }),
          ...(flags.base === undefined ? {} : { base: flags.base }),
        },
        { logger, signal, progress: createProgress(terminal.stream, logger) },
      );
      const verb = result.status === 'finished' ? 'finished' : 'stopped';
      logger.info(`${verb} at step ${result.step}: ${result.checkpoint}`);
      if (result.status === 'stopped') logger.info('run the same command again to go on');
    });
};
