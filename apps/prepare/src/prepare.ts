/** The prepare stage: raw files -> one folder of shards, tokenizer and suite.json. */
import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConfigError, type Logger, PolygateError, sealJson, silentLogger, unknownName } from '@polygate/core';
import {
  acquireLock,
  extensionsOf,
  loadExtensions,
  type Lock,
  removeTemporaries,
  writeDirectoryAtomic,
} from '@polygate/core/node';
import {
  attributionText,
  readerNamed,
  readerNames,
  readSuite,
  selectSamples,
  SUITE_FILE,
  SUITE_VERSION,
  type DatasetPlan,
  type Suite,
  type SuiteDataset,
} from '@polygate/datasets';
import { packagedModel } from '@polygate/generalist';
import { taskFamilies } from '@polygate/tasks';
import { loadTokenizer, saveTokenizer, trainTokenizer, type Tokenizer } from '@polygate/tokens';
import { writeDataset } from './dataset-writer.ts';
import { fingerprint } from './fingerprint.ts';
import { Ledger } from './ledger.ts';
import { recipeForModel } from './model-settings.ts';
import { planDatasets } from './plan.ts';
import { applyPrepareSettings, type PrepareRecipe, type SourceRecipe } from './recipe.ts';
import { prepareRecipes } from './recipes/index.ts';
import { withBaselines, withMeasures } from './suite-baselines.ts';
import { digestFiles, suiteDamage } from './suite-check.ts';

export interface PrepareOptions {
  /** Name of a recipe, or a recipe itself. */
  readonly recipe: string | object;
  /** Settings `path=value` laid over the recipe. */
  readonly set?: readonly string[];
  /** Folder of all suites. @default 'data' in the work directory */
  readonly output?: string;
  /** Folder that relative paths and `node_modules` count from. @default the process's folder */
  readonly workDirectory?: string;
  /** Folder for fetched packages. @default `.cache/polygate` in the work directory */
  readonly cacheDirectory?: string;
  /**
   * Folder of a run or model that the suite is for: tokenizer, image size, fit and background are the model's.
   * @default the recipe's own
   */
  readonly for?: string;
  /** Prepares again even if a finished suite of the same recipe is there. @default false */
  readonly force?: boolean;
  /** Whether a suite of the same name takes the place of one that other files or settings made. @default true */
  readonly replace?: boolean;
  /** Reads every byte of a finished suite before it is used as it is; else sizes, hashes and ends of files. @default false */
  readonly verify?: boolean;
}

export interface PrepareContext {
  readonly logger?: Logger;
  /** Told what is being made and how many rows of it there are. */
  readonly progress?: (what: string, rows: number) => void;
  /** Stops the work; nothing is left behind. */
  readonly signal?: AbortSignal;
}

/** A finished suite. */
export interface PreparedSuite {
  /** Folder that holds suite.json. */
  readonly directory: string;
  readonly suite: Suite;
  /** Whether it was there already. */
  readonly reused: boolean;
}

/** The recipe of the options with its settings. @throws ConfigError listing the known recipes or keys */
export const resolvePrepareRecipe = (options: Pick<PrepareOptions, 'recipe' | 'set'>): PrepareRecipe => {
  const { recipe, set = [] } = options;
  if (typeof recipe !== 'string') return applyPrepareSettings(recipe, set);
  if (readerNames().includes(recipe) && !Object.hasOwn(prepareRecipes, recipe)) {
    throw new ConfigError(
      `prepare recipe: expected a recipe's name (${Object.keys(prepareRecipes).join(', ')}) or file, got the source "${recipe}"; sources stand in a recipe file, given by --recipe own.json: {"name": "own", "sources": {"photos": {"source": "${recipe}", ...}}} (docs/own-data.md)`,
      { code: 'unknown-name', fields: { got: recipe } },
    );
  }
  if (!Object.hasOwn(prepareRecipes, recipe)) {
    throw unknownName('prepare recipe', recipe, Object.keys(prepareRecipes));
  }
  return applyPrepareSettings(prepareRecipes[recipe], set);
};

/** Texts that the tokenizer may learn from: those of training samples and the class names, up to the limit. */
const trainingTexts = async (plans: readonly DatasetPlan[], maxCharacters: number): Promise<string[]> => {
  const texts: string[] = plans.flatMap((plan) => plan.classes ?? []);
  let characters = 0;
  for (const part of plans.flatMap((plan) => plan.parts)) {
    for await (const sample of selectSamples(part.reader, {
      accept: (each) => part.splitOf(each) === 'train',
    })) {
      for (const text of sample.texts ?? []) {
        texts.push(text);
        characters += text.length;
      }
      if (characters >= maxCharacters) return texts;
    }
  }
  return texts;
};

const makeTokenizer = async (plans: readonly DatasetPlan[], recipe: PrepareRecipe): Promise<Tokenizer> => {
  const { file, vocabularySize, lowercase, maxCharacters } = recipe.tokenizer;
  if (file !== undefined) return loadTokenizer(file);
  return trainTokenizer(await trainingTexts(plans, maxCharacters), { vocabularySize, lowercase });
};

/** A finished suite that can be used as it is, or why the one that is there can't. */
interface Finding {
  readonly suite?: Suite;
  /** Absent where there is none. */
  readonly problem?: string;
}

const findFinished = async (directory: string, hash: string, deep: boolean): Promise<Finding> => {
  let suite: Suite;
  try {
    suite = await readSuite(directory);
  } catch (cause) {
    if (!(cause instanceof PolygateError)) throw cause;
    return cause.code === 'suite-missing' ? {} : { problem: `it is damaged (${cause.message})` };
  }
  if (suite.recipeHash !== hash) return { problem: 'its files or settings have changed' };
  const damage = await suiteDamage(directory, suite, deep);
  return damage === undefined ? { suite } : { problem: `it is damaged (${damage})` };
};

const lockSuite = (output: string, name: string): Promise<Lock> =>
  acquireLock(join(output, `.${name}.lock`), { task: 'prepare', subject: `the suite ${join(output, name)}` });

/** Clears what a killed preparation left beside a finished suite, unless another process is at work or nobody may write. */
const clearRemains = async (output: string, name: string): Promise<void> => {
  const entries = await readdir(output);
  if (!entries.some((entry) => entry.startsWith(`.${name}.`))) return;
  try {
    await using _lock = await lockSuite(output, name);
    await removeTemporaries(output, name);
  } catch (cause) {
    if (!(cause instanceof PolygateError)) throw cause;
  }
};

const withAbsolutePaths = (recipe: PrepareRecipe, workDirectory: string): PrepareRecipe => {
  const absolute = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(absolute)
      : typeof value === 'string'
        ? resolve(workDirectory, value)
        : value;
  const { file } = recipe.tokenizer;
  const sources = Object.entries(recipe.sources).map(([key, source]) => {
    const { paths } = readerNamed(source.source);
    const settings = Object.entries(source).map(([name, value]) => [
      name,
      Object.hasOwn(paths, name) ? absolute(value) : value,
    ]);
    return [key, Object.fromEntries(settings) as SourceRecipe] as const;
  });
  return {
    ...recipe,
    tokenizer: { ...recipe.tokenizer, ...(file === undefined ? {} : { file: resolve(workDirectory, file) }) },
    sources: Object.fromEntries(sources),
  };
};

interface SuiteParts {
  readonly recipe: PrepareRecipe;
  readonly recipeHash: string;
  readonly plans: readonly DatasetPlan[];
  readonly tokenizer: Tokenizer;
  readonly ledger: Ledger;
}

/** Writes everything into the suite's folder, suite.json last. */
const fillSuite = async (directory: string, parts: SuiteParts, context: PrepareContext): Promise<Suite> => {
  const { recipe, recipeHash, plans, tokenizer, ledger } = parts;
  const { logger = silentLogger, progress = () => {}, signal } = context;
  await saveTokenizer(tokenizer, join(directory, 'tokenizer.json'));
  const shared = { directory, recipe, tokenizer, ledger, progress, ...(signal ? { signal } : {}) };
  const datasets: SuiteDataset[] = [];
  for (const plan of plans) {
    if (taskFamilies().every(({ kind }) => kind !== plan.kind))
      logger.warn(
        `prepare ${plan.name}: no task family reads ${plan.kind} yet: pretrain and evaluate leave it out`,
      );
    for (const written of await writeDataset(plan, shared)) {
      const dataset = await withMeasures(written, directory);
      const splits = Object.entries(dataset.splits).map(([split, { rows }]) => `${split} ${rows}`);
      logger.info(`prepare ${recipe.name}: ${dataset.name} (${dataset.kind}): ${splits.join(', ')}`);
      const imageSize = recipe.image.size;
      datasets.push(
        recipe.baselines ? await withBaselines(dataset, { directory, imageSize, tokenizer }) : dataset,
      );
    }
  }
  const packages = plans.flatMap((plan) => plan.packages ?? []);
  if (packages.length > 0) await writeFile(join(directory, 'ATTRIBUTION.md'), attributionText(packages));
  await ledger.moveTo(join(directory, 'quarantine.jsonl'));
  const notes = ledger.notes();
  for (const { count, first } of notes.values()) {
    logger.warn(
      `prepare ${recipe.name}: ${first.text} is used of ${first.id}${count > 1 ? ` and the first of each of ${count - 1} more files` : ''}; an image is one still`,
    );
  }
  const suite: Suite = {
    name: recipe.name,
    version: SUITE_VERSION,
    image: {
      height: recipe.image.size,
      width: recipe.image.size,
      fit: recipe.image.fit,
      background: recipe.image.background,
    },
    textLength: recipe.text.length,
    tokenizerHash: tokenizer.hash,
    datasets,
    quarantine: ledger.counts(),
    ...(notes.size > 0
      ? { notes: Object.fromEntries([...notes].map(([code, { count }]) => [code, count])) }
      : {}),
    recipeHash,
    files: await digestFiles(directory),
  };
  await writeFile(join(directory, SUITE_FILE), sealJson(suite));
  return suite;
};

/**
 * Prepares a suite: `OUTPUT/NAME/{suite.json, tokenizer.json, ATTRIBUTION.md, quarantine.jsonl, DATASET/SPLIT/}`.
 * The folder appears whole or not at all, an old one stays until the new one is in its place, and the same input gives
 * the same bytes. A finished suite of the same recipe and files is checked and returned; a damaged one is prepared again.
 * @throws ConfigError for recipes and sources, StateError at the limits of the quarantine, for failed
 * writes, and (code `locked`) while another process prepares the suite
 */
export const prepare = async (
  options: PrepareOptions,
  context: PrepareContext = {},
): Promise<PreparedSuite> => {
  const { logger = silentLogger, signal } = context;
  const workDirectory = resolve(options.workDirectory ?? process.cwd());
  await loadExtensions(extensionsOf(options.recipe), {
    askedBy: 'prepare recipe',
    folders: [workDirectory],
  });
  const asked = resolvePrepareRecipe(options);
  const model =
    options.for === undefined
      ? undefined
      : await recipeForModel(
          asked,
          (await packagedModel(options.for)) ?? resolve(workDirectory, options.for),
          options.set,
        );
  const recipe = model?.recipe ?? asked;
  const output = resolve(workDirectory, options.output ?? 'data');
  const directory = join(output, recipe.name);
  const recipeHash = await fingerprint(recipe, { work: workDirectory, output }, model?.tokenizerHash);
  const use = (suite: Suite): PreparedSuite => {
    logger.info(`prepare ${recipe.name}: already there, nothing to do (${directory})`);
    return { directory, suite, reused: true };
  };
  if (options.replace === false) {
    const { problem } = await findFinished(directory, recipeHash, false);
    if (problem !== undefined)
      throw new ConfigError(
        `prepare ${recipe.name}: expected no suite of another source or other settings, got one in ${directory}: ${problem}; make another suite by --set name=${recipe.name}-2, or remove that folder`,
        { code: 'suite-there', fields: { directory } },
      );
  }
  const find = (): Promise<Finding> =>
    options.force ? Promise.resolve({}) : findFinished(directory, recipeHash, options.verify ?? false);
  // Looking needs no lock: a suite may lie where nobody can write.
  const early = await find();
  if (early.suite) {
    await clearRemains(output, recipe.name);
    return use(early.suite);
  }
  await using _lock = await lockSuite(output, recipe.name);
  await removeTemporaries(output, recipe.name);
  // Another process may have finished it in the meantime.
  const { suite: finished, problem } = await find();
  if (finished) return use(finished);
  if (problem !== undefined) logger.warn(`prepare ${recipe.name}: preparing ${directory} again: ${problem}`);
  const packages = {
    workDirectory,
    logger,
    ...(options.cacheDirectory === undefined ? {} : { cacheDirectory: options.cacheDirectory }),
  };
  const local = withAbsolutePaths(
    model ? { ...recipe, tokenizer: { ...recipe.tokenizer, file: model.tokenizerFile } } : recipe,
    workDirectory,
  );
  const plans = await planDatasets(local, packages, { progress: context.progress, signal });
  signal?.throwIfAborted();
  logger.info(
    `prepare ${recipe.name}: ${model ? `the tokenizer of ${options.for}, images of ${recipe.image.size} pixels` : 'learning the tokenizer'}`,
  );
  const tokenizer = await makeTokenizer(plans, local);
  signal?.throwIfAborted();
  const ledger = new Ledger({ path: join(output, `${recipe.name}.quarantine.jsonl`), ...recipe.limits });
  let suite: Suite | undefined;
  try {
    await writeDirectoryAtomic(directory, async (temporary) => {
      suite = await fillSuite(temporary, { recipe: local, recipeHash, plans, tokenizer, ledger }, context);
    });
  } catch (cause) {
    // Errors that name the list want it read; after others it is a leftover.
    if (cause instanceof PolygateError && cause.message.includes(ledger.path)) ledger.close();
    else await ledger.discard();
    throw cause;
  }
  const made = suite ?? (await readSuite(directory));
  const left = Object.entries(made.quarantine).map(([code, count]) => `${code} ${count}`);
  if (left.length > 0) logger.info(`prepare ${recipe.name}: left out: ${left.join(', ')} (quarantine.jsonl)`);
  logger.info(`prepare ${recipe.name}: done (${directory})`);
  return { directory, suite: made, reused: false };
};
