/**
 * Captions of images on the demo's model: keys and values that are kept against whole sequences at every step, both as the
 * demo writes them (beam 3, finished captions aside, 12 tokens). The weights are fresh, so few captions end early.
 *
 * POLYGATE_BENCH_IMAGES sets another number of images than 192.
 */
import { pretrainRecipes } from '@polygate/app-pretrain';
import { ConfigError, createRandom, StateError } from '@polygate/core';
import { configureModel, createModel, parseRecipe, type Generalist } from '@polygate/generalist';
import { caption, patchesOf, type CaptionOptions, type CaptionPrediction } from '@polygate/tasks';
import { selectEngine, type Precision } from '@polygate/tensor';
import { trainTokenizer } from '@polygate/tokens';
import { availableParallelism } from 'node:os';
import { measurePair, type PairLine } from '../pair.ts';

const DEFAULT_IMAGES = 192;
/** Pixels of a side and tokens of the vocabulary of the demo's suite. */
const SIDE = 48;
const VOCABULARY = 1024;
/** As captions of the demo are evaluated. */
const asked: CaptionOptions = { beam: 3, lengthPenalty: 1, finished: 'aside', maximumTokens: 12 };

const imageCount = (): number => {
  const text = process.env['POLYGATE_BENCH_IMAGES'];
  const count = text === undefined ? DEFAULT_IMAGES : Number(text);
  if (Number.isInteger(count) && count >= 1) return count;
  throw new ConfigError(
    `captions: expected POLYGATE_BENCH_IMAGES to be a whole number of at least 1, got "${text}"`,
  );
};

/** The demo's model with fresh weights. */
const createDemoModel = (): Generalist => {
  const random = createRandom(5);
  const word = (): string =>
    Array.from({ length: 3 + random.integer(6) }, () => String.fromCharCode(97 + random.integer(26))).join(
      '',
    );
  const tokenizer = trainTokenizer(
    Array.from({ length: 800 }, () => `${word()} ${word()}`),
    { vocabularySize: VOCABULARY },
  );
  const { model, tasks } = parseRecipe(pretrainRecipes['demo']);
  const data = {
    vocabularySize: tokenizer.size,
    image: { height: SIDE, width: SIDE, channels: 3 },
    tokenizerHash: tokenizer.hash,
    tasks: Object.entries(tasks).map(([name, { family, dataset }]) => ({ name, family, dataset })),
  };
  return createModel(configureModel(model, data), tokenizer, createRandom(6));
};

/**
 * The same captions in the same order, their log-probabilities within a tolerance for each token.
 * @throws StateError when they differ
 */
const validate = (
  kept: readonly (readonly CaptionPrediction[])[],
  anew: readonly (readonly CaptionPrediction[])[],
  tolerance: number,
): string => {
  let worst = 0;
  for (const [i, captions] of kept.entries()) {
    for (const [k, { tokens, logProbability }] of captions.entries()) {
      const other = anew[i]?.[k];
      if (other?.tokens.join() !== tokens.join()) {
        throw new StateError(
          `captions: expected the same tokens with a cache and without, got ${tokens.join()} and ${other?.tokens.join()} for image ${i}`,
        );
      }
      worst = Math.max(worst, Math.abs(logProbability - other.logProbability) / (tokens.length + 1));
    }
  }
  if (!(worst <= tolerance)) {
    throw new StateError(
      `captions: expected log-probabilities within ${tolerance} a token, got a difference of ${worst}`,
    );
  }
  return `${kept.flat().length} captions of the same tokens, log p a token differs by at most ${worst.toExponential(1)}`;
};

const measure = async (precision: Precision, validated: string | undefined): Promise<PairLine> => {
  const threads = Math.min(2, availableParallelism());
  await selectEngine({ engine: 'torch', precision, threads });
  using model = createDemoModel();
  const random = createRandom(7);
  const count = imageCount();
  const images = patchesOf(
    Array.from({ length: count }, () =>
      Uint8Array.from({ length: SIDE * SIDE * 3 }, () => random.integer(256)),
    ),
    model.image,
  );
  const whole = { ...asked, cache: false, batch: 32 };
  const checked =
    validated ?? validate(await caption(model, images, asked), await caption(model, images, whole), 1e-5);
  return await measurePair(
    { name: 'keys and values kept', run: async () => void (await caption(model, images, asked)) },
    { name: 'whole sequences, 32 at once', run: async () => void (await caption(model, images, whole)) },
    { name: `captions-${precision}`, validated: checked, detail: { images: count, precision, threads } },
  );
};

export const captions = {
  describe: 'captions on the demo’s model with kept keys and values against whole sequences at every step',
  async *run(): AsyncIterable<PairLine> {
    const exact = await measure('f32', undefined);
    yield exact;
    // Rounding to bf16 lets tokens that are almost level swap: what is compared is compared in f32.
    yield await measure('bf16', `in f32: ${exact.validated}`);
  },
};
