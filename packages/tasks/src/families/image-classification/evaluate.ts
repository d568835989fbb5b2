/** Scores of image classification on a split: top-1, top-5 and macro-F1 over the whole set of classes. */
import { createRandom, ownValue } from '@polygate/core';
import {
  chanceMacroF1,
  chanceTopK,
  labelRanks,
  macroF1Statistic,
  majorityBaseline,
  neighbourLabels,
  reportMean,
  reportStatistic,
  topK,
  type ScoreReport,
} from '@polygate/evaluation';
import { fixedListValues, values } from '@polygate/stream';
import { groupsOf, MOST_BASELINE_ROWS, type SplitContext } from '../../evaluation/context.ts';
import { splitBatches } from '../../evaluation/split-rows.ts';
import { shrunkImages } from '../../image-patches.ts';
import { servingTask } from '../../serving.ts';
import { createImageClassification } from './collate.ts';

interface Pictures {
  readonly pixels: Uint8Array;
  readonly labels: Int32Array;
}

const readPictures = async (context: SplitContext, split: string, limit: number): Promise<Pictures> => {
  const shards = await context.data.shards(context.dataset.name, split);
  const pixels: Uint8Array[] = [];
  const labels: number[] = [];
  for await (const batch of splitBatches(shards, { limit, seed: context.seed, batchSize: 512 })) {
    pixels.push(fixedListValues(batch, 'image') as Uint8Array);
    labels.push(...Array.from(values(batch, 'label'), Number));
  }
  return { pixels: Buffer.concat(pixels), labels: Int32Array.from(labels) };
};

/** Accuracies of answering the majority class, and the class of the training picture with the nearest pixels. */
const baselinesOf = async (context: SplitContext): Promise<Readonly<Record<string, number>>> => {
  // What was measured when the suite was prepared holds for the whole split.
  const whole = (ownValue(context.dataset.splits, context.split)?.rows ?? 0) <= context.limit;
  const known = whole ? context.dataset.baselines?.[context.split] : undefined;
  if (known) {
    const { chance: _, ...others } = known;
    return others;
  }
  const rows = ownValue(context.dataset.splits, 'train')?.rows ?? 0;
  if (rows === 0 || context.split === 'train') return {};
  const own = await readPictures(context, context.split, context.limit);
  const train = await readPictures(context, 'train', MOST_BASELINE_ROWS);
  const near = neighbourLabels(
    shrunkImages(own.pixels, context.model.image),
    shrunkImages(train.pixels, context.model.image),
    train.labels,
  );
  return {
    majority: majorityBaseline(train.labels, own.labels).value,
    pixelNearestNeighbour: near.filter((label, i) => label === own.labels[i]).length / own.labels.length,
  };
};

export const evaluateClassification = async (context: SplitContext): Promise<readonly ScoreReport[]> => {
  const { model, data, dataset, split, seed } = context;
  const classes = dataset.classes ?? [];
  const task = createImageClassification({
    name: dataset.name,
    classes,
    tokenizer: model.tokenizer,
    image: model.image,
  });
  const serving = servingTask(model, 'image-classification', { dataset: dataset.name });
  const scores: Float32Array[] = [];
  const labels: number[] = [];
  const groups: string[] = [];
  for await (const rows of splitBatches(await data.shards(dataset.name, split), context)) {
    const batch = task.collate(rows, { random: createRandom(seed), training: false });
    scores.push(await model.scores(batch, { task: serving }));
    labels.push(...batch.labels);
    groups.push(...groupsOf(rows));
  }
  const all = new Float32Array(labels.length * classes.length);
  scores.reduce((at, part) => {
    all.set(part, at);
    return at + part.length;
  }, 0);
  const ranks = labelRanks(all, labels);
  const name = { task: `${dataset.name} classification`, split };
  // Equal scores make fractions of successes, so the range is said.
  const bootstrap = { seed, groups };
  const shares = { ...bootstrap, range: [0, 1] } as const;
  const reports = [
    reportMean(
      {
        ...name,
        metric: 'top-1',
        chance: chanceTopK({ k: 1, classes: classes.length }),
        baselines: await baselinesOf(context),
      },
      topK(ranks, 1).perSample,
      shares,
    ),
  ];
  if (classes.length > 5) {
    reports.push(
      reportMean(
        { ...name, metric: 'top-5', chance: chanceTopK({ k: 5, classes: classes.length }) },
        topK(ranks, 5).perSample,
        shares,
      ),
    );
  }
  const chance = chanceMacroF1({ labels, classes: classes.length });
  reports.push(
    reportStatistic(
      { ...name, metric: 'macro-F1', chance },
      { count: labels.length, statistic: macroF1Statistic(all, labels) },
      { ...bootstrap, range: [0, 1] },
    ),
  );
  return reports;
};
