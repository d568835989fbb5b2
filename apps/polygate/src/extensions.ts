/** Extensions of the command line: those of `--extension`, of a recipe file, and of the run that is asked. */
import { layExtensions, loadExtensions } from '@polygate/core/node';
import { loadRunExtensions } from '@polygate/runs';
import { taskPredictors } from '@polygate/tasks';
import { dirname, resolve } from 'node:path';
import { readRecipeFile } from './recipe-file.ts';

/** The values of an option in the words of a command line, before any command is known. */
const valuesOf = (argv: readonly string[], option: string): readonly string[] =>
  argv.flatMap((word, at) => {
    if (word.startsWith(`${option}=`)) return [word.slice(option.length + 1)];
    const next = argv[at + 1];
    return word === option && next !== undefined ? [next] : [];
  });

/**
 * Loads what must be known before commands are made: extensions of the command line, and those of a run whose families
 * give `predict` its verbs.
 * @throws ConfigError naming the extension and who asked for it
 */
export const loadEarlyExtensions = async (argv: readonly string[]): Promise<void> => {
  await loadExtensions(valuesOf(argv, '--extension'), { askedBy: '--extension' });
  if (argv[0] !== 'predict') return;
  for (const run of valuesOf(argv, '--run')) {
    // A verb may be of a run's extension: where there is no run, that is what is wrong.
    const isVerb = taskPredictors().some(({ predictor }) => predictor.verb === argv[1]);
    await loadRunExtensions(run, { isNeeded: !isVerb && argv[1]?.startsWith('-') === false });
  }
};

/** A recipe's name or content, with settings laid over it. */
export interface AskedRecipe {
  readonly recipe: string | object;
  readonly set: readonly string[];
}

/** What the command line says beside a recipe. */
interface RecipeAsked {
  readonly set: readonly string[];
  readonly extension?: readonly string[] | undefined;
}

/**
 * Loads the extensions of a recipe, as the settings of the command line leave them, and those of `--extension`; the
 * recipe then names them all.
 * @param place the recipe's name in errors, and its folder where it has one
 * @throws ConfigError for an extension that is missing, fails or registers nothing
 */
export const withExtensions = async (
  recipe: string | object,
  { set, extension = [] }: RecipeAsked,
  { name, folder }: { readonly name: string; readonly folder?: string },
): Promise<AskedRecipe> => {
  const folders = [...(folder === undefined ? [] : [folder]), process.cwd()];
  const named = layExtensions(recipe, set);
  const askedBy = named.isSet ? '--set extensions' : `recipe ${name}`;
  const extensions = [
    ...(await loadExtensions(named.extensions, { askedBy, folders })),
    ...(await loadExtensions(extension, { askedBy: '--extension' })),
  ];
  if (extensions.length === 0) return { recipe, set };
  const recorded = [...new Set(extensions.map((each) => each.recorded))];
  return { recipe, set: [`extensions=${JSON.stringify(recorded)}`, ...named.others] };
};

/** Reads a recipe by name or file, with its extensions. @throws ConfigError as {@link withExtensions} */
export const readRecipe = async (nameOrFile: string, asked: RecipeAsked): Promise<AskedRecipe> => {
  const recipe = await readRecipeFile(nameOrFile);
  const folder = typeof recipe === 'string' ? {} : { folder: dirname(resolve(nameOrFile)) };
  return withExtensions(recipe, asked, { name: nameOrFile, ...folder });
};
