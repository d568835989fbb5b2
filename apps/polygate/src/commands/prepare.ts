import { join } from 'node:path';
import {
  checkSuite,
  describePathRecipe,
  isRecipeThere,
  prepare,
  prepareRecipes,
  recipeForPath,
  writeRecipeFile,
} from '@polygate/app-prepare';
import { ConfigError } from '@polygate/core';
import { areFewImages } from '@polygate/generalist';
import type { Command } from 'commander';
import { readRecipe, withExtensions, type AskedRecipe } from '../extensions.ts';
import type { Terminal } from '../terminal.ts';
import { withRecipe, type RecipeFlags } from './options.ts';

interface PrepareFlags extends RecipeFlags {
  readonly out: string;
  readonly for?: string;
  readonly force?: boolean;
  readonly verify?: boolean;
  readonly from?: string;
  readonly reader?: string;
  readonly show?: boolean;
  readonly check?: boolean;
}

/**
 * The recipe that the flags name, or the one that reads the path of `--from`, which is said.
 * @returns undefined where it was only to be shown
 */
const recipeOf = async (
  { from, reader, show, recipe, set, out, extension }: PrepareFlags,
  terminal: Terminal,
): Promise<AskedRecipe | undefined> => {
  if (from === undefined) {
    const flag = reader === undefined ? (show ? '--show' : undefined) : '--reader';
    if (flag === undefined) return readRecipe(recipe ?? 'mini', { set, extension });
    throw new ConfigError(`prepare: expected --from PATH with ${flag}, got none; name the file or folder`);
  }
  if (recipe !== undefined) {
    throw new ConfigError(
      `prepare: expected --from or --recipe, got both; change the recipe that --from makes by --set`,
    );
  }
  const laid = await withExtensions({}, { set, extension }, { name: from });
  const chosen = reader === undefined ? {} : { reader };
  const fitting = await recipeForPath(from, { set: laid.set, output: out, ...chosen });
  for (const line of describePathRecipe(fitting)) terminal.print(line);
  return show ? undefined : { recipe: fitting.input, set: laid.set };
};

/** The file of the recipe that `--from` made, and whether it is there with the same content. */
const recipeFileOf = async (
  { from, out }: PrepareFlags,
  { recipe }: AskedRecipe,
): Promise<{ readonly file?: string; readonly there: boolean }> => {
  if (from === undefined || typeof recipe === 'string') return { there: false };
  const { name } = recipe as { readonly name: string };
  const file = join(out, `${name}.recipe.json`);
  return { file, there: await isRecipeThere(file, recipe, from) };
};

/** `polygate prepare`: raw files or the mini suite to Arrow shards. */
export const addPrepare = (program: Command, terminal: Terminal): void => {
  withRecipe(program.command('prepare'), 'mini')
    .description('raw files or the mini suite -> Arrow shards, tokenizer and suite.json')
    .option(
      '--from <path>',
      'a file or folder of your own: the reader that fits is found, and its recipe shown',
    )
    .option('--reader <name>', 'with --from: the reader to use')
    .option('--show', 'with --from: only say which reader fits and show the recipe')
    .option('--out <folder>', 'folder that holds the suites', 'data')
    .option(
      '--for <folder>',
      'prepare for a run or model, or a package such as @polygate/mini: its tokenizer, image size, fit and background are used',
    )
    .option('--force', 'prepare again even if the finished suite is there')
    .option('--verify', 'read every byte of a finished suite; a damaged one is prepared again')
    .option('--check', 'check the leakage rules on the rows of the suite, and compare its counts')
    .addHelpText('after', `\nRecipes: ${Object.keys(prepareRecipes).join(', ')}, or a .json/.js file.`)
    .action(async (flags: PrepareFlags) => {
      const started = performance.now();
      let last = 0;
      const asked = await recipeOf(flags, terminal);
      if (asked === undefined) return;
      const { file, there } = await recipeFileOf(flags, asked);
      const { directory, suite, reused } = await prepare(
        {
          ...asked,
          output: flags.out,
          // A path never takes the place of a suite that another recipe made, or that was made for another model.
          replace: file === undefined || (there && (flags.for === undefined || flags.force === true)),
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
      if (file !== undefined) {
        if (!there) await writeRecipeFile(file, asked.recipe as object);
        terminal.logger.info(`its recipe is ${file}`);
      }
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      terminal.logger.info(
        reused ? `${directory} is there already, nothing to do` : `prepared ${directory} in ${seconds} s`,
      );
      for (const dataset of suite.datasets) {
        const splits = Object.entries(dataset.splits).map(([split, { rows }]) => `${split} ${rows}`);
        terminal.print(`${dataset.name} (${dataset.kind}): ${splits.join(', ')}`);
      }
      if (areFewImages(suite)) {
        const start = flags.for === undefined ? 'pretrain' : `tune --method fine --from ${flags.for}`;
        terminal.logger.info(
          `settings that fit so many images: npx polygate ${start} --recipe small-images --suite ${directory}`,
        );
      }
      if (flags.check) await checkSuite(directory, (line) => terminal.print(line));
    });
};
