/**
 * Scores of captioning on a split: token-F1 (the one to look at first), BLEU-4, CIDEr-D, ROUGE-L and exact match of beam
 * search against all captions of each image or clip. Chance is the expectation of a random
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
import { captionedSplit, type CaptionedRows, type CaptionedSplit } from '../../evaluation/captioned-rows.ts';
import type { SplitContext } from '../../evaluation/context.ts';
import { scoredTask } from '../../evaluation/scored-task.ts';
import type { GenerationOptions } from '../../generation/generation-options.ts';
import { pieces, range } from '../../image-patches.ts';
import type { VisualSource } from '../../visual/visual-source.ts';
import type { SettingFields } from '../family.ts';
import { captionChance } from './caption-chance.ts';
import { captionDetails } from './caption-details.ts';
import { caption, type CaptionOptions, type CaptionPrediction } from './predict.ts';

/** Tokens of the longest caption seen in training, end token included: no text has a reason to be longer. */
const longestCaption = ({ longest }: CaptionedRows, maximum: number): number =>
  Math.min(maximum, Math.max(2, longest + 1));

/** Systems that write captions without a model. */
const simpleCaptions = (
  { rows, training, nearest }: CaptionedSplit,
  still: string,
): Readonly<Record<string, readonly string[]>> => {
  if (!training || !nearest) return {};
  const most = mostFrequentCaption(training.captions.flat());
  return {
    'most frequent': rows.captions.map(() => most),
    [`nearest ${still}`]: Array.from(nearest, (index) => training.captions[index]?.[0] ?? ''),
  };
};

/** Means over images, with the range of each. */
const means = {
  'token-F1': { score: tokenF1, range: [0, 1] },
  'CIDEr-D': { score: ciderD, range: [0, 10] },
  'ROUGE-L': { score: rougeL, range: [0, 1] },
  'exact match': { score: exactMatch, range: [0, 1] },
} as const;

/** Samples whose patches are held at once; a multiple of those that are written about at once. */
const SAMPLES_AT_ONCE = 512;

/** Scores of the splits of a family that captions what a source shows. */
export const captionEvaluation =
  <Fields extends SettingFields>(source: VisualSource<Fields>, family: string) =>
  (context: SplitContext): Promise<readonly ScoreReport[]> =>
    evaluateCaptioning(context, { source, family });

const evaluateCaptioning = async <Fields extends SettingFields>(
  context: SplitContext,
  { source, family }: { readonly source: VisualSource<Fields>; readonly family: string },
): Promise<readonly ScoreReport[]> => {
  const { model, split, seed, options = {} } = context;
  const asked = scoredTask(context, family);
  const shown = source.shown(asked.task);
  const captioned = await captionedSplit(context, source);
  const { rows, training } = captioned;
  // What the task's recipe said comes before what the data suggest, and what is asked for before both.
  const kept = (asked.task?.settings?.['generation'] ?? {}) as GenerationOptions;
  const settings: CaptionOptions = {
    ...(training ? { maximumTokens: longestCaption(training, model.maximumTokens) } : {}),
    ...kept,
    task: asked.serving,
    family,
    ...options,
  };
  const written: (readonly CaptionPrediction[])[] = [];
  for (const [start, end] of pieces(rows.samples.length, SAMPLES_AT_ONCE)) {
    const part = rows.samples.slice(start, end);
    const views = range(0, shown.count).map((view) => shown.patches(part, model.image, view));
    written.push(...(await caption(model, views, { ...settings, first: start })));
  }
  const pairs = (texts: readonly string[]): readonly CaptionPair[] =>
    texts.map((candidate, i) => ({ candidate, references: rows.captions[i] ?? [] }));
  const best = pairs(written.map((texts) => texts[0]?.text ?? ''));
  const simple = simpleCaptions(captioned, source.still);
  const guess = captioned.nearest && training && captionChance(training.captions, rows.captions, { seed });
  const bootstrap = { seed, groups: [...rows.groups] };
  const name = { task: `${asked.name} captioning`, split };

  const compared = (chance: number | undefined, score: (texts: readonly CaptionPair[]) => number) => ({
    chance: chance ?? null,
    baselines: Object.fromEntries(
      Object.entries(simple).map(([system, texts]) => [system, score(pairs(texts))]),
    ),
  });
  const reports = Object.entries(means).map(([metric, { score, range }]) =>
    reportMean(
      { ...name, metric, ...compared(guess?.mean(score), (texts) => score(texts).value) },
      score(best).perSample,
      {
        ...bootstrap,
        range,
      },
    ),
  );
  const counts = best.map((pair) => bleuCounts(pair));
  const bleu4 = (indices?: Int32Array): number => bleuOfCounts(sumBleuCounts(counts, indices)).bleu[3];
  const plain = (texts: readonly CaptionPair[]): number =>
    bleuOfCounts(sumBleuCounts(texts.map((pair) => bleuCounts(pair)))).bleu[3];
  const bleu = reportStatistic(
    { ...name, metric: 'BLEU-4', ...compared(guess?.bleu4(), plain) },
    {
      count: best.length,
      statistic: bleu4,
      named: { statistic: 'BLEU-4', rows: counts.map((each) => Array.from(each)) },
    },
    { ...bootstrap, range: [0, 1] },
  );
  const details = context.details
    ? captionDetails(best, {
        ...name,
        seed,
        groups: rows.groups,
        simple: Object.fromEntries(Object.entries(simple).map(([system, texts]) => [system, pairs(texts)])),
        training: training?.captions,
      })
    : [];
  const [primary, ...others] = reports;
  return primary ? [primary, bleu, ...others, ...details] : [bleu, ...details];
};
