import { prepare, prepareRecipes } from '@polygate/app-prepare';
import type { Command } from 'commander';
import { readRecipeFile } from '../recipe-file.ts';
import type { Terminal } from '../terminal.ts';
import { withRecipe, type RecipeFlags } from './options.ts';

interface PrepareFlags extends RecipeFlags {
  readonly out: string;
  readonly for?: string;
  readonly force?: boolean;
  readonly verify?: boolean;
}

/** `polygate prepare`: raw files or the mini suite to Arrow shards. */
export const addPrepare = (program: Command, terminal: Terminal): void => {
  withRecipe(program.command('prepare'), 'mini')
    .description('raw files or the mini suite -> Arrow shards, tokenizer and suite.json')
    .option('--out <folder>', 'folder that holds the suites', 'data')
    .option(
      '--for <folder>',
      'prepare for a run or model: its tokenizer, picture size, fit and background are used',
    )
    .option('--force', 'prepare again even if the finished suite is there')
    .option('--verify', 'read every byte of a finished suite; a damaged one is prepared again')
    .addHelpText('after', `\nRecipes: ${Object.keys(prepareRecipes).join(', ')}, or a .json/.js file.`)
    .action(async (flags: PrepareFlags) => {
      const started = performance.now();
      let last = 0;
      const { directory, suite, reused } = await prepare(
        {
          recipe: await readRecipeFile(flags.recipe ?? 'mini'),
          set: flags.set,
          output: flags.out,
          ...(flags.for === undefined ? {} : { for: flags.for }),
          ...(flags.force === undefined ? {} : { force: flags.force }),
          ...(flags.verify === undefined ? {} : { verify: flags.verify }),
        },
        {
          logger: terminal.logger,
          signal: terminal.signal,
          // A line every five seconds: long work shows that it moves.
          progress: (what, rows) => {
            const now = performance.now();
            if (now - last < 5000) return;
            last = now;
            terminal.logger.info(`prepare: ${what}: ${rows} rows`);
          },
        },
      );
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      terminal.logger.info(
        reused ? `${directory} is there already, nothing to do` : `prepared ${directory} in ${seconds} s`,
      );
      for (const dataset of suite.datasets) {
        const splits = Object.entries(dataset.splits).map(([split, { rows }]) => `${split} ${rows}`);
        terminal.print(`${dataset.name} (${dataset.kind}): ${splits.join(', ')}`);
      }
    });
};
