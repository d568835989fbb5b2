import { describeTuning, resolveTuneRecipe, suiteTunings, tune, tuneRecipes } from '@polygate/app-tune';
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

interface TuneFlags extends RecipeFlags, EngineFlags {
  readonly from?: string;
  readonly checkpoint?: string;
  readonly suite?: string;
  readonly task?: string;
  readonly method?: string;
  readonly run?: string;
  readonly base?: string;
  readonly resume: ResumeMode;
  readonly describe?: boolean;
}

/** Recipes by what they tune, each with its methods: `imagenet-1k-prompt, imagenet-1k-fine`. */
const recipeNames = (): string => [...Object.keys(tuneRecipes), ...Object.keys(suiteTunings)].join(', ');

/** `polygate tune`: a run or a model tuned on a task of a suite of its own. */
export const addTune = (program: Command, terminal: Terminal): void => {
  withResume(withEngine(withRecipe(program.command('tune'), 'mini')))
    .description(
      'a run or model tuned on a task: prompts on a base that stays as it is, or its own weights -> a run folder',
    )
    .option('--from <folder>', 'run or model that is tuned, or a package such as @polygate/mini')
    .option('--checkpoint <name>', 'checkpoint of that run: best, last, or a name such as step-1500')
    .option(
      '--suite <folder>',
      'prepared suite (default: the recipe’s, else the one that the run was trained on)',
    )
    .option('--task <name>', 'task of the suite, or its dataset (default: the recipe’s)')
    .option(
      '--method <name>',
      'prompt, fine, or one that a package registers (default: the recipe’s, else prompt)',
    )
    .option('--run <folder>', 'folder of the new run (default: runs/<task>-<method>)')
    .option('--base <folder>', baseText)
    .option('--describe', 'print how many parameters the recipe trains and do nothing else')
    .addHelpText('after', `\nRecipes: ${recipeNames()}, or a .json/.js file.`)
    .action(async (flags: TuneFlags) => {
      const { from, checkpoint, suite, task, method, run, resume, base } = flags;
      const asked = { set: [...flags.set, ...engineOverrides(flags)], extension: flags.extension };
      const read = await readRecipe(flags.recipe ?? 'mini', asked);
      const choice = {
        ...read,
        ...(from === undefined ? {} : { from }),
        ...(checkpoint === undefined ? {} : { checkpoint }),
        ...(suite === undefined ? {} : { suite }),
        ...(task === undefined ? {} : { task }),
        ...(method === undefined ? {} : { method }),
      };
      const { logger, signal } = terminal;
      if (flags.describe) {
        terminal.print(await describeTuning(await resolveTuneRecipe({ ...choice, ahead: true }, logger)));
        return;
      }
      const result = await tune(
        { ...choice, resume, ...(run === undefined ? {} : { run }), ...(base === undefined ? {} : { base }) },
        { logger, signal, progress: createProgress(terminal.stream, logger) },
      );
      const verb = result.status === 'finished' ? 'finished' : 'stopped';
      logger.info(`${verb} at step ${result.step}: ${result.checkpoint}`);
      if (result.status === 'stopped') logger.info('run the same command again to go on');
    });
};
