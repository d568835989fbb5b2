import {
  formatCaption,
  formatClass,
  formatFill,
  formatPictures,
  formatRetrieval,
  predictCaption,
  predictCaptions,
  predictClass,
  predictClasses,
  predictFill,
  predictRetrieval,
  type PicturePredictions,
} from '@polygate/app-predict';
import { StateError } from '@polygate/core';
import type { Command } from 'commander';
import { stat } from 'node:fs/promises';
import type { Terminal } from '../terminal.ts';
import {
  engineOptions,
  list,
  positive,
  withCheckpoint,
  withEngine,
  type CheckpointFlags,
  type EngineFlags,
} from './options.ts';

/** Files that an error names. */
const SHOWN_SKIPPED = 3;

interface PredictFlags extends EngineFlags, CheckpointFlags {
  readonly run: string;
  readonly task?: string;
  readonly json?: boolean;
}

/** `polygate predict classify|caption|retrieve|fill`. */
export const addPredict = (program: Command, terminal: Terminal): void => {
  const predict = program.command('predict').description('what a trained model says of pictures and texts');
  const { logger } = terminal;
  const add = (name: string, description: string): Command =>
    withCheckpoint(withEngine(predict.command(name)))
      .description(description)
      .requiredOption('--run <folder>', 'folder of a run or of a model')
      .option('--task <name>', 'task of the model that is asked (default: the first that fits)')
      .option('--json', 'print JSON: one object, or one a line for several pictures');
  const common = ({ run, task, checkpoint, ...engine }: PredictFlags) => ({
    run,
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(task === undefined ? {} : { task }),
    ...engineOptions(engine),
  });
  const answer = (flags: PredictFlags, value: unknown, text: string): void =>
    terminal.print(flags.json ? JSON.stringify(value) : text);

  /** Prints each picture's answer; with --json one line each. Files that could not be read decide the exit code. */
  const answerEach = <A>(
    flags: PredictFlags,
    key: string,
    {
      found,
      format,
    }: { readonly found: PicturePredictions<A>; readonly format: (own: readonly A[]) => string },
  ): void => {
    const { pictures, skipped } = found;
    if (flags.json) {
      for (const { image, predictions } of pictures) {
        terminal.print(JSON.stringify({ image, [key]: predictions }));
      }
      for (const { path, reason } of skipped) terminal.print(JSON.stringify({ image: path, error: reason }));
    } else if (pictures.length > 0) terminal.print(formatPictures(pictures, format));
    if (skipped.length === 0) return;
    const all = pictures.length + skipped.length;
    throw new StateError(
      `predict: expected ${all} pictures that can be read, got ${skipped.length} that can't: ${skipped
        .slice(0, SHOWN_SKIPPED)
        .map(({ path }) => path)
        .join(', ')}${skipped.length > SHOWN_SKIPPED ? ', ...' : ''}; the reasons stand above`,
      { code: 'pictures-skipped', fields: { skipped: skipped.length, all } },
    );
  };
  /** Whether one file was named, whose answer needs no path above it. */
  const isOne = async (images: readonly string[]): Promise<boolean> =>
    images.length === 1 &&
    !(await stat(images[0] ?? '').catch(() => undefined))?.isDirectory() &&
    !/[*?]/u.test(images[0] ?? '');

  add('classify <images...>', 'labels of pictures, likeliest first; files, folders or patterns')
    .option('--labels <words>', "any labels, separated by commas; without them the model's own classes", list)
    .action(async (images: string[], flags: PredictFlags & { labels?: string[] }) => {
      const asked = { labels: flags.labels, ...common(flags) };
      const [image = ''] = images;
      if (await isOne(images)) {
        const labels = await predictClass({ image, ...asked }, { logger });
        answer(flags, { image, labels }, formatClass(labels));
        return;
      }
      const found = await predictClasses({ images, ...asked }, { logger });
      answerEach(flags, 'labels', { found, format: formatClass });
    });

  add('caption <images...>', 'captions of pictures by beam search, best first; files, folders or patterns')
    .option('--beam <width>', 'captions that are followed (default: 3)', positive('--beam', 1024))
    .option(
      '--max-tokens <count>',
      'longest caption, end token included (default: 32)',
      positive('--max-tokens', 2 ** 16),
    )
    .action(async (images: string[], flags: PredictFlags & { beam?: number; maxTokens?: number }) => {
      const asked = {
        ...common(flags),
        ...(flags.beam === undefined ? {} : { beam: flags.beam }),
        ...(flags.maxTokens === undefined ? {} : { maximumTokens: flags.maxTokens }),
      };
      const [image = ''] = images;
      if (await isOne(images)) {
        const captions = await predictCaption({ image, ...asked }, { logger });
        answer(flags, { image, captions }, formatCaption(captions));
        return;
      }
      const found = await predictCaptions({ images, ...asked }, { logger });
      answerEach(flags, 'captions', { found, format: formatCaption });
    });

  add('retrieve <text>', 'pictures of a folder that go best with a text')
    .requiredOption('--images <folder>', 'folder of pictures, searched with its sub-folders')
    .option('--count <number>', 'pictures that are listed (default: 5)', positive('--count', 2 ** 20))
    .action(async (text: string, flags: PredictFlags & { images: string; count?: number }) => {
      const found = await predictRetrieval(
        {
          text,
          images: flags.images,
          ...common(flags),
          ...(flags.count === undefined ? {} : { count: flags.count }),
        },
        { logger },
      );
      answer(flags, { text, ...found }, formatRetrieval(found));
    });

  add('fill <text>', 'words for each blank ___ of a text, likeliest first')
    .option('--count <number>', 'words for each blank (default: 5)', positive('--count', 2 ** 20))
    .action(async (text: string, flags: PredictFlags & { count?: number }) => {
      const blanks = await predictFill(
        {
          text,
          ...common(flags),
          ...(flags.count === undefined ? {} : { count: flags.count }),
        },
        { logger },
      );
      answer(flags, { text, blanks }, formatFill(text, blanks));
    });
};
