import {
  formatCaption,
  formatClass,
  formatFill,
  formatRetrieval,
  predictCaption,
  predictClass,
  predictFill,
  predictRetrieval,
} from '@polygate/app-predict';
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { engineOptions, list, positive, withEngine, type EngineFlags } from './options.ts';

interface PredictFlags extends EngineFlags {
  readonly run: string;
  readonly task?: string;
  readonly json?: boolean;
}

/** `polygate predict classify|caption|retrieve|fill`. */
export const addPredict = (program: Command, terminal: Terminal): void => {
  const predict = program.command('predict').description('what a trained model says of pictures and texts');
  const { logger } = terminal;
  const add = (name: string, description: string): Command =>
    withEngine(predict.command(name))
      .description(description)
      .requiredOption('--run <folder>', 'folder of a run or of a model')
      .option('--task <name>', 'task of the model that is asked (default: the first that fits)')
      .option('--json', 'print one JSON object');
  const common = ({ run, task, ...engine }: PredictFlags) => ({
    run,
    ...(task === undefined ? {} : { task }),
    ...engineOptions(engine),
  });
  const answer = (flags: PredictFlags, value: unknown, text: string): void =>
    terminal.print(flags.json ? JSON.stringify(value) : text);

  add('classify <image>', 'labels of a picture, likeliest first')
    .requiredOption('--labels <words>', 'any labels, separated by commas', list)
    .action(async (image: string, flags: PredictFlags & { labels: string[] }) => {
      const labels = await predictClass({ image, labels: flags.labels, ...common(flags) }, { logger });
      answer(flags, { image, labels }, formatClass(labels));
    });

  add('caption <image>', 'captions of a picture by beam search, best first')
    .option('--beam <width>', 'captions that are followed (default: 3)', positive('--beam'))
    .option(
      '--max-tokens <count>',
      'longest caption, end token included (default: 32)',
      positive('--max-tokens'),
    )
    .action(async (image: string, flags: PredictFlags & { beam?: number; maxTokens?: number }) => {
      const captions = await predictCaption(
        {
          image,
          ...common(flags),
          ...(flags.beam === undefined ? {} : { beam: flags.beam }),
          ...(flags.maxTokens === undefined ? {} : { maximumTokens: flags.maxTokens }),
        },
        { logger },
      );
      answer(flags, { image, captions }, formatCaption(captions));
    });

  add('retrieve <text>', 'pictures of a folder that go best with a text')
    .requiredOption('--images <folder>', 'folder of pictures, searched with its sub-folders')
    .option('--count <number>', 'pictures that are listed (default: 5)', positive('--count'))
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
    .option('--count <number>', 'words for each blank (default: 5)', positive('--count'))
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
