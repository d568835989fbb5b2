/**
 * Scores of captioning on a split: token-F1 (the one to look at first), BLEU-4, CIDEr-D, ROUGE-L and exact match of beam
 * search against all captions of each picture. Chance is the name of a random training picture.
 */
import { createRandom } from '@polygate/core';
import {
  bleuCounts,
  bleuOfCounts,
  ciderD,
  exactMatch,
  mostFrequentCaption,
  reportMean,
  reportStatistic,
  rougeL,
  sumBleuCounts,
  tokenF1,
  type CaptionPair,
  type ScoreReport,
} from '@polygate/evaluation';
import { rowPatches, type CaptionedRows, type CaptionedSplit } from './captioned-rows.ts';
import type { SplitContext } from './evaluation-context.ts';
import { caption, type CaptionOptions } from './predict-caption.ts';
import { servingTask } from './serving.ts';

/** Tokens of the longest caption seen in training, end token included: no text has a reason to be longer. */
const longestCaption = ({ longest }: CaptionedRows, maximum: number): number =>
  Math.min(maximum, Math.max(2, longest + 1));

/** Systems that write captions without a model. */
const simpleCaptions = (
  { rows, training, nearest }: CaptionedSplit,
  seed: number,
): { chance?: readonly string[]; baselines: Readonly<Record<string, readonly string[]>> } => {
  if (!training || !nearest) return { baselines: {} };
  const nameOf = (index: number): string => training.captions[index]?.[0] ?? '';
  const random = createRandom(seed).fork('chance');
  const names = training.captions.map((captions) => captions[0] ?? '');
  const most = mostFrequentCaption(names);
  return {
    chance: rows.captions.map(() => nameOf(random.integer(training.captions.length))),
    baselines: {
      'most frequent': rows.captions.map(() => most),
      'nearest picture': Array.from(nearest, nameOf),
    },
  };
};

export const evaluateCaptioning = async (
  context: SplitContext,
  captioned: CaptionedSplit,
  options: CaptionOptions = {},
): Promise<readonly ScoreReport[]> => {
  const { model, dataset, split, seed } = context;
  const { rows, training } = captioned;
  const written = await caption(model, rowPatches(context, rows), {
    ...(training ? { maximumTokens: longestCaption(training, model.config.maximumTokens ?? 50) } : {}),
    task: servingTask(model.config, 'image-captioning', { dataset: dataset.name }),
    ...options,
  });
  const pairs = (texts: readonly string[]): readonly CaptionPair[] =>
    texts.map((candidate, i) => ({ candidate, references: rows.captions[i] ?? [] }));
  const own = pairs(written.map((texts) => texts[0]?.text ?? ''));
  const simple = simpleCaptions(captioned, seed);
  const bootstrap = { seed, groups: [...rows.groups] };
  const name = { task: `${dataset.name} captioning`, split };

  const compared = (score: (texts: readonly CaptionPair[]) => number) => ({
    chance: simple.chance ? score(pairs(simple.chance)) : null,
    baselines: Object.fromEntries(
      Object.entries(simple.baselines).map(([system, texts]) => [system, score(pairs(texts))]),
    ),
  });
  const means = { 'token-F1': tokenF1, 'CIDEr-D': ciderD, 'ROUGE-L': rougeL, 'exact match': exactMatch };
  const reports = Object.entries(means).map(([metric, score]) =>
    reportMean(
      { ...name, metric, ...compared((texts) => score(texts).value) },
      score(own).perSample,
      bootstrap,
    ),
  );
  const counts = own.map((pair) => bleuCounts(pair));
  const bleu4 = (indices?: Int32Array): number => bleuOfCounts(sumBleuCounts(counts, indices)).bleu[3];
  const plain = (texts: readonly CaptionPair[]): number =>
    bleuOfCounts(sumBleuCounts(texts.map((pair) => bleuCounts(pair)))).bleu[3];
  const bleu = reportStatistic(
    { ...name, metric: 'BLEU-4', ...compared(plain) },
    { count: own.length, statistic: bleu4 },
    bootstrap,
  );
  const [primary, ...others] = reports;
  return primary ? [primary, bleu, ...others] : [bleu];
};
