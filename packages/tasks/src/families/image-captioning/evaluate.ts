/**
 * Scores of captioning on a split: token-F1 (the one to look at first), BLEU-4, CIDEr-D, ROUGE-L and exact match of beam
 * search against all captions of each image. Chance is the expectation of a random
 * caption of a random training image, see {@link captionChance}.
 */
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
import {
  captionedSplit,
  rowPatches,
  type CaptionedRows,
  type CaptionedSplit,
} from '../../evaluation/captioned-rows.ts';
import type { SplitContext } from '../../evaluation/context.ts';
import { servingTask } from '../../serving.ts';
import { captionChance } from './caption-chance.ts';
import { caption } from './predict.ts';

/** Tokens of the longest caption seen in training, end token included: no text has a reason to be longer. */
const longestCaption = ({ longest }: CaptionedRows, maximum: number): number =>
  Math.min(maximum, Math.max(2, longest + 1));

/** Systems that write captions without a model. */
const simpleCaptions = ({
  rows,
  training,
  nearest,
}: CaptionedSplit): Readonly<Record<string, readonly string[]>> => {
  if (!training || !nearest) return {};
  const most = mostFrequentCaption(training.captions.flat());
  return {
    'most frequent': rows.captions.map(() => most),
    'nearest image': Array.from(nearest, (index) => training.captions[index]?.[0] ?? ''),
  };
};

/** Means over images, with the range of each. */
const means = {
  'token-F1': { score: tokenF1, range: [0, 1] },
  'CIDEr-D': { score: ciderD, range: [0, 10] },
  'ROUGE-L': { score: rougeL, range: [0, 1] },
  'exact match': { score: exactMatch, range: [0, 1] },
} as const;

export const evaluateCaptioning = async (context: SplitContext): Promise<readonly ScoreReport[]> => {
  const { model, dataset, split, seed, options = {} } = context;
  const captioned = await captionedSplit(context);
  const { rows, training } = captioned;
  const written = await caption(model, rowPatches(context, rows), {
    ...(training ? { maximumTokens: longestCaption(training, model.maximumTokens) } : {}),
    task: servingTask(model, 'image-captioning', { dataset: dataset.name }),
    ...options,
  });
  const pairs = (texts: readonly string[]): readonly CaptionPair[] =>
    texts.map((candidate, i) => ({ candidate, references: rows.captions[i] ?? [] }));
  const own = pairs(written.map((texts) => texts[0]?.text ?? ''));
  const simple = simpleCaptions(captioned);
  const guess = captioned.nearest && training && captionChance(training.captions, rows.captions, { seed });
  const bootstrap = { seed, groups: [...rows.groups] };
  const name = { task: `${dataset.name} captioning`, split };

  const compared = (chance: number | undefined, score: (texts: readonly CaptionPair[]) => number) => ({
    chance: chance ?? null,
    baselines: Object.fromEntries(
      Object.entries(simple).map(([system, texts]) => [system, score(pairs(texts))]),
    ),
  });
  const reports = Object.entries(means).map(([metric, { score, range }]) =>
    reportMean(
      { ...name, metric, ...compared(guess?.mean(score), (texts) => score(texts).value) },
      score(own).perSample,
      {
        ...bootstrap,
        range,
      },
    ),
  );
  const counts = own.map((pair) => bleuCounts(pair));
  const bleu4 = (indices?: Int32Array): number => bleuOfCounts(sumBleuCounts(counts, indices)).bleu[3];
  const plain = (texts: readonly CaptionPair[]): number =>
    bleuOfCounts(sumBleuCounts(texts.map((pair) => bleuCounts(pair)))).bleu[3];
  const bleu = reportStatistic(
    { ...name, metric: 'BLEU-4', ...compared(guess?.bleu4(), plain) },
    { count: own.length, statistic: bleu4 },
    { ...bootstrap, range: [0, 1] },
  );
  const [primary, ...others] = reports;
  return primary ? [primary, bleu, ...others] : [bleu];
};
