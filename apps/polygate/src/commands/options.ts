import { ConfigError, excerpt, unknownName } from '@polygate/core';
import type { EngineOptions } from '@polygate/tensor';
import { resumeModes } from '@polygate/training';
import type { Command } from 'commander';

/** Collects a repeatable option into a list. */
export const collect = (value: string, list: readonly string[] = []): string[] => [...list, value];

/** Options of every stage that reads a recipe. */
export interface RecipeFlags {
  readonly recipe?: string;
  readonly set: readonly string[];
  readonly extension?: readonly string[];
}

export const withRecipe = (command: Command, fallback: string): Command =>
  command
    .option('--recipe <name|file>', `a recipe of ours or a .json/.js file (default: ${fallback})`)
    .option('--set <path=value>', 'change one setting of the recipe; may be given again', collect, []);

/** Option of every stage that opens a run. */
export interface CheckpointFlags {
  readonly checkpoint?: string;
  readonly adapter?: string;
  readonly base?: string;
}

/** Of every command that opens a run whose checkpoints hold a part of a model. */
export const baseText =
  'the base of a run that tunes, or its run, where it has been moved (default: where the checkpoint says)';

export const withCheckpoint = (command: Command): Command =>
  command
    .option(
      '--checkpoint <name>',
      'best, last, or a name such as step-1500 (default: the best by the score that the recipe names, else the last)',
    )
    .option('--adapter <folder>', 'an adapter on the model: its folder, or that of a run that tunes')
    .option('--base <folder>', baseText);

export const checkpointOptions = ({ checkpoint, adapter, base }: CheckpointFlags): CheckpointFlags => ({
  ...(checkpoint === undefined ? {} : { checkpoint }),
  ...(adapter === undefined ? {} : { adapter }),
  ...(base === undefined ? {} : { base }),
});

/** Options of every stage that computes. */
export interface EngineFlags {
  readonly engine?: string;
  readonly device?: string;
  readonly precision?: string;
  readonly threads?: string;
}

export const withEngine = (command: Command): Command =>
  command
    .option(
      '--engine <name>',
      'auto, torch, tfjs-node-gpu, tfjs-node, wasm or cpu (default: the recipe’s, else auto)',
    )
    .option('--device <device>', 'cpu, cuda or cuda:N (default: cpu)')
    .option(
      '--precision <type>',
      'f32, bf16, or auto: the one that trains faster here (default: the recipe’s)',
    )
    .option('--threads <count>', 'threads of the engine (default: all cores)');

/** The engine flags that were given, as settings of a recipe; where a flag is absent the recipe's setting holds. */
export const engineOverrides = ({ engine, device, precision, threads }: EngineFlags): string[] =>
  Object.entries({ engine, device, precision, threads })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}`);

/** The engine flags that were given, as options of a stage without a recipe. */
export const engineOptions = ({
  engine,
  device,
  precision,
  threads,
}: EngineFlags): Pick<EngineOptions, 'engine' | 'device' | 'precision' | 'threads'> => ({
  // Unknown names are refused by the engine ladder, which lists the known ones.
  ...(engine === undefined ? {} : { engine: engine as NonNullable<EngineOptions['engine']> }),
  ...(device === undefined ? {} : { device }),
  ...(precision === undefined ? {} : { precision: precision as NonNullable<EngineOptions['precision']> }),
  ...(threads === undefined ? {} : { threads: positive('--threads', 1024)(threads) }),
});

/** A number of 0 or more. @throws ConfigError */
export const amount =
  (flag: string) =>
  (value: string): number => {
    const number = value.trim() === '' ? Number.NaN : Number(value);
    if (number >= 0 && number < Infinity) return number;
    throw new ConfigError(`${flag}: expected a number of 0 or more, got ${excerpt(value)}`);
  };

/** One of some words. @throws ConfigError listing them */
export const oneOf =
  (flag: string, words: readonly string[]) =>
  (value: string): string => {
    if (words.includes(value)) return value;
    throw unknownName(flag, value, words);
  };

/** `--resume` of commands that train. */
export const withResume = (command: Command): Command =>
  command.option(
    '--resume <how>',
    'auto goes on where a stopped run ended, never refuses one, must needs one, last-good goes back to the newest checkpoint that is not damaged; the run is named by --run',
    oneOf('way to resume', resumeModes),
    'auto',
  );

/** Words separated by commas. */
export const list = (value: string): string[] =>
  value
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');

/** Reads a whole number above 0. @param most the largest that makes sense. @throws ConfigError naming the option */
export const positive =
  (option: string, most: number) =>
  (value: string): number => {
    const number = Number(value);
    if (Number.isInteger(number) && number > 0 && number <= most) return number;
    const bound = number > most ? ` and at most ${most}` : '';
    throw new ConfigError(`${option}: expected a whole number above 0${bound}, got ${excerpt(value)}`, {
      fields: { option, value },
    });
  };
