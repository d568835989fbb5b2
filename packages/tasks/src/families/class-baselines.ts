/** What classification is compared with: the majority class, and the class of the nearest training image by pixels. */
import { ownValue } from '@polygate/core';
import { majorityBaseline, neighbourLabels } from '@polygate/evaluation';
import { values, type RecordBatch } from '@polygate/stream';
import { MOST_BASELINE_ROWS, type SplitContext } from '../evaluation/context.ts';
import { splitBatches } from '../evaluation/split-rows.ts';
import { shrunkImages } from '../image-patches.ts';

interface LabelledImages {
  readonly pixels: Uint8Array;
  readonly labels: Int32Array;
}

/** One image of the model's size for each row of a batch, one after another. */
export type ImagesOf = (batch: RecordBatch) => Uint8Array;

const readImages = async (
  context: SplitContext,
  { split, limit }: Pick<SplitContext, 'split' | 'limit'>,
  imagesOf: ImagesOf,
): Promise<LabelledImages> => {
  const shards = await context.data.shards(context.dataset.name, split);
  const pixels: Uint8Array[] = [];
  const labels: number[] = [];
  for await (const batch of splitBatches(shards, { limit, seed: context.seed, batchSize: 512 })) {
    pixels.push(imagesOf(batch));
    labels.push(...Array.from(values(batch, 'label'), Number));
  }
  return { pixels: Buffer.concat(pixels), labels: Int32Array.from(labels) };
};

/**
 * Accuracies of answering the majority class, and the class of the nearest training image. What was measured when the
 * suite was prepared is taken where it holds for the whole split.
 */
export const classBaselines = async (
  context: SplitContext,
  imagesOf: ImagesOf,
): Promise<Readonly<Record<string, number>>> => {
  const { dataset, split, limit, model } = context;
  const isWhole = (ownValue(dataset.splits, split)?.rows ?? 0) <= limit;
  const measured = isWhole ? dataset.baselines?.[split] : undefined;
  if (measured) {
    const { chance: _, ...others } = measured;
    return others;
  }
  const rows = ownValue(dataset.splits, 'train')?.rows ?? 0;
  if (rows === 0 || split === 'train') return {};
  const scored = await readImages(context, { split, limit }, imagesOf);
  const training = await readImages(context, { split: 'train', limit: MOST_BASELINE_ROWS }, imagesOf);
  const near = neighbourLabels(
    shrunkImages(scored.pixels, model.image),
    shrunkImages(training.pixels, model.image),
    training.labels,
  );
  const hits = near.filter((label, i) => label === scored.labels[i]).length;
  return {
    majority: majorityBaseline(training.labels, scored.labels).value,
    pixelNearestNeighbour: hits / scored.labels.length,
  };
};
