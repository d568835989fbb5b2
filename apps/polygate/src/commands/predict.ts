import {
  formatImages,
  formatRetrieval,
  predictFiles,
  predictGallery,
  predictImage,
  predictImages,
  predictTable,
  predictTexts,
  type ImagePredictions,
  type VerbOptions,
} from '@polygate/app-predict';
import { ConfigError, StateError } from '@polygate/core';
import {
  taskPredictors,
  type FamilyPredictor,
  type FilePredictor,
  type GalleryPredictor,
  type ImagePredictor,
  type PredictOption,
  type RowAnswers,
  type TextPredictor,
} from '@polygate/tasks';
import type { Command } from 'commander';
import { stat } from 'node:fs/promises';
import type { Terminal } from '../terminal.ts';
import {
  checkpointOptions,
  engineOptions,
  positive,
  withCheckpoint,
  withEngine,
  type CheckpointFlags,
  type EngineFlags,
} from './options.ts';
import { optionValue } from './predict-options.ts';

/** Files that an error names. */
const SHOWN_SKIPPED = 3;
/** Largest count of an option that names no other. */
const MAX_COUNT = 2 ** 20;

interface PredictFlags extends EngineFlags, CheckpointFlags {
  readonly run: string;
  readonly task?: string;
  readonly json?: boolean;
}

/** The flag of an option, as commander reads it: `--max-tokens <count>` is `maxTokens`. */
const flagOf = ({ name, flag = name }: PredictOption): string => flag;
const attributeOf = (option: PredictOption): string =>
  flagOf(option).replace(/-(\w)/gu, (_, letter: string) => letter.toUpperCase());

const withOption = (command: Command, option: PredictOption): Command => {
  const { type, summary, choices = [] } = option;
  const flag = `--${flagOf(option)}`;
  const values = {
    count: 'number',
    number: 'number',
    words: 'words',
    text: 'text',
    choice: choices.join('|'),
  };
  return command.option(`${flag} <${values[type]}>`, summary, optionValue(option, flag));
};

/** The values of a verb's options that were given. */
const givenOptions = ({ options = [] }: FamilyPredictor, flags: object): Record<string, unknown> =>
  Object.fromEntries(
    options.flatMap((option) => {
      const value = (flags as Readonly<Record<string, unknown>>)[attributeOf(option)];
      return value === undefined ? [] : [[option.name, value] as const];
    }),
  );

/** `polygate predict VERB`: one verb for each task family that answers one. */
export const addPredict = (program: Command, terminal: Terminal): void => {
  const predict = program.command('predict').description('what a trained model says of images and texts');
  const { logger } = terminal;
  const add = (name: string, description: string): Command =>
    withCheckpoint(withEngine(predict.command(name)))
      .description(description)
      .requiredOption('--run <folder>', 'folder of a run or of a model, or a package such as @polygate/mini')
      .option('--task <name>', 'task of the model that is asked (default: the first that fits)')
      .option('--json', 'print JSON: one object, or one a line for several images');
  const common = (flags: PredictFlags) => ({
    run: flags.run,
    ...checkpointOptions(flags),
    ...(flags.task === undefined ? {} : { task: flags.task }),
    ...engineOptions(flags),
  });
  const answer = (flags: PredictFlags, value: unknown, text: string): void =>
    terminal.print(flags.json ? JSON.stringify(value) : text);

  /** Prints each image's answer; with --json one line each. Files that could not be read decide the exit code. */
  const answerEach = <A>(
    flags: PredictFlags,
    key: string,
    {
      predicted,
      format,
      subject = 'image',
    }: {
      readonly predicted: ImagePredictions<A>;
      readonly format: (answers: readonly A[]) => string;
      /** What is asked about, a key of the JSON. */
      readonly subject?: string;
    },
  ): void => {
    const { images, skipped } = predicted;
    if (flags.json) {
      for (const { image, predictions } of images) {
        terminal.print(JSON.stringify({ [subject]: image, [key]: predictions }));
      }
      for (const { path, reason } of skipped)
        terminal.print(JSON.stringify({ [subject]: path, error: reason }));
    } else if (images.length > 0) terminal.print(formatImages(images, format));
    if (skipped.length === 0) return;
    const all = images.length + skipped.length;
    throw new StateError(
      `predict: expected ${all} ${subject === 'image' ? 'image' : subject}s that can be read, got ${skipped.length} that can't: ${skipped
        .slice(0, SHOWN_SKIPPED)
        .map(({ path }) => path)
        .join(', ')}${skipped.length > SHOWN_SKIPPED ? ', ...' : ''}; the reasons stand above`,
      { code: 'images-skipped', fields: { skipped: skipped.length, all } },
    );
  };
  /** Whether one file was named, whose answer needs no path above it. */
  const isOne = async (images: readonly string[]): Promise<boolean> =>
    images.length === 1 &&
    !(await stat(images[0] ?? '').catch(() => undefined))?.isDirectory() &&
    !/[*?]/u.test(images[0] ?? '');

  const addImages = (predictor: ImagePredictor): void => {
    const { verb, key, options = [] } = predictor;
    const format = (answers: readonly unknown[]): string => predictor.format(answers);
    const command = add(`${verb} <images...>`, predictor.summary);
    for (const option of options) withOption(command, option);
    command.action(async (images: string[], flags: PredictFlags) => {
      const asked = { ...givenOptions(predictor, flags), ...common(flags) };
      const [image = ''] = images;
      if (await isOne(images)) {
        const answers = await predictImage(verb, { image, ...asked }, { logger });
        answer(flags, { image, [key]: answers }, format(answers));
        return;
      }
      const predictions = await predictImages<unknown>(verb, { images, ...asked }, { logger });
      answerEach(flags, key, { predicted: predictions, format });
    });
  };

  /** Prints the answers of each row of a table as they come; rows without decide the exit code. */
  const answerRows = async (
    predictor: FilePredictor,
    flags: PredictFlags & { readonly table: string },
    asked: VerbOptions,
  ): Promise<void> => {
    const { verb, key, argument } = predictor;
    const onRow = (row: RowAnswers<unknown>): void => {
      const heading = { [argument]: row.row };
      if ('reason' in row) {
        if (flags.json) terminal.print(JSON.stringify({ ...heading, error: row.reason }));
        else logger.warn(`skipped ${row.row}: ${row.reason}`);
      } else if (flags.json) terminal.print(JSON.stringify({ ...heading, [key]: row.answers }));
      else terminal.print(`${row.row}\n${predictor.format(row.answers)}\n`);
    };
    const { answered, left } = await predictTable(verb, { ...asked, table: flags.table, onRow }, { logger });
    if (left === 0) return;
    throw new StateError(
      `predict: expected ${answered + left} rows that can be read, got ${left} that can't; the reasons stand above`,
      { code: 'rows-skipped', fields: { skipped: left, all: answered + left } },
    );
  };

  const addFiles = (predictor: FilePredictor): void => {
    const { verb, key, argument, options = [] } = predictor;
    const hasTables = predictor.predictTable !== undefined;
    const named = hasTables ? `[${argument}s...]` : `<${argument}s...>`;
    const command = add(`${verb} ${named}`, predictor.summary);
    if (hasTables)
      command.option('--table <file>', `${argument}s as the rows of a table (CSV, JSON lines, Parquet)`);
    for (const option of options) withOption(command, option);
    command.action(async (paths: string[], flags: PredictFlags & { readonly table?: string }) => {
      const given = { ...givenOptions(predictor, flags), ...common(flags) };
      const { table } = flags;
      if ((paths.length === 0) === (table === undefined)) {
        const got = table === undefined ? 'neither' : 'both';
        throw new ConfigError(
          `predict ${verb}: expected ${argument}s or --table FILE, got ${got}; give one of them`,
        );
      }
      if (table !== undefined) {
        await answerRows(predictor, { ...flags, table }, given);
        return;
      }
      const asked = { paths, ...given };
      const bad = paths.length === 1 ? 'throw' : 'skip';
      const predictions = await predictFiles<unknown>(verb, { ...asked, bad }, { logger });
      const format = (answers: readonly unknown[]): string => predictor.format(answers);
      const [only] = predictions.images;
      if (paths.length === 1 && only) {
        answer(flags, { [argument]: only.image, [key]: only.predictions }, format(only.predictions));
        return;
      }
      answerEach(flags, key, { predicted: predictions, format, subject: argument });
    });
  };

  const addTexts = (predictor: TextPredictor): void => {
    const { verb, key, options = [] } = predictor;
    const command = add(`${verb} <texts...>`, predictor.summary);
    for (const option of options) withOption(command, option);
    command.action(async (texts: string[], flags: PredictFlags) => {
      const asked = { texts, ...givenOptions(predictor, flags), ...common(flags) };
      const answers = await predictTexts<unknown>(verb, asked, { logger });
      texts.forEach((text, i) => {
        const textAnswers = answers[i] ?? [];
        const heading = texts.length > 1 ? `${i > 0 ? '\n' : ''}${text}\n` : '';
        answer(flags, { text, [key]: textAnswers }, `${heading}${predictor.format(textAnswers, text)}`);
      });
    });
  };

  const addGallery = (predictor: GalleryPredictor): void => {
    const { verb, key, items, options = [] } = predictor;
    const item = items?.item ?? 'image';
    const command = add(`${verb} <text>`, predictor.summary)
      .requiredOption(`--${item}s <folder>`, `folder of ${item}s, searched with its sub-folders`)
      .option('--count <number>', `${item}s that are listed (default: 5)`, positive('--count', MAX_COUNT));
    for (const option of options) withOption(command, option);
    type GalleryFlags = PredictFlags & { readonly count?: number } & Readonly<Record<string, unknown>>;
    command.action(async (text: string, flags: GalleryFlags) => {
      const { count } = flags;
      const images = flags[`${item}s`] as string;
      const asked = { text, images, ...givenOptions(predictor, flags), ...common(flags) };
      const predictions = await predictGallery(
        verb,
        { ...asked, ...(count === undefined ? {} : { count }) },
        { logger },
      );
      const { images: matches, ...others } = predictions;
      answer(flags, { text, [key]: matches, ...others }, formatRetrieval(predictions, item));
    });
  };

  for (const { predictor } of taskPredictors()) {
    if (predictor.input === 'images') addImages(predictor);
    else if (predictor.input === 'texts') addTexts(predictor);
    else if (predictor.input === 'files') addFiles(predictor);
    else addGallery(predictor);
  }
};
