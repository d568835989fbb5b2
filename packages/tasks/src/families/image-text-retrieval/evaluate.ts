/**
 * Scores of image-text retrieval on a split: recall at 1, 5 and 10 both ways, over all captions of all its images, by
 * the protocol of {@link retrievalRecall}. The baseline ranks by the words that a text shares with the captions of the
 * training image whose pixels are nearest.
 */
import {
  overlapWith,
  reportMean,
  retrievalRecall,
  type RetrievalPairs,
  type RetrievalScores,
  type ScoreReport,
} from '@polygate/evaluation';
import {
  captionedSplit,
  rowPatches,
  type CaptionedRows,
  type CaptionedSplit,
} from '../../evaluation/captioned-rows.ts';
import type { SplitContext } from '../../evaluation/context.ts';
import { endedTokens, imageSequences, textSequences, type ImagePatches } from '@polygate/modalities';
import { servingTask } from '../../serving.ts';
import { segmentRows } from '../../signatures.ts';

const RETRIEVAL = 'image-text-retrieval';

interface Gallery {
  /** Texts that differ, each once. */
  readonly texts: readonly string[];
  readonly tokens: readonly Int32Array[];
  readonly pairs: RetrievalPairs;
  /** Group of each caption, for intervals: that of the first image that has it. */
  readonly captionGroups: readonly string[];
}

const galleryOf = (rows: CaptionedRows): Gallery => {
  const columns = new Map<string, number>();
  const tokens: Int32Array[] = [];
  const groups: string[] = [];
  const imageOfText: number[] = [];
  const columnOfText: number[] = [];
  rows.captions.forEach((captions, image) => {
    captions.forEach((text, i) => {
      let column = columns.get(text);
      if (column === undefined) {
        column = columns.size;
        columns.set(text, column);
        tokens.push(rows.tokens[image]?.[i] ?? new Int32Array(0));
        groups.push(rows.groups[image] ?? '');
      }
      imageOfText.push(image);
      columnOfText.push(column);
    });
  });
  return {
    texts: [...columns.keys()],
    tokens,
    pairs: { images: rows.captions.length, imageOfText, columnOfText },
    captionGroups: columnOfText.map((column) => groups[column] ?? ''),
  };
};

const modelScores = (
  { model, dataset }: SplitContext,
  images: ImagePatches,
  gallery: Gallery,
): Promise<Float32Array> => {
  const endToken = model.tokenizer.specials.endoftext;
  const maximum = model.maximumTokens;
  const texts = gallery.tokens.map((tokens) => endedTokens(tokens, { endToken, maximum }));
  return model.scores(
    {
      inputs: imageSequences(images, segmentRows.image),
      queries: 'prefix',
      targets: {
        key: 'gallery',
        whole: false,
        ids: Int32Array.from(texts, (_, text) => text),
        sequences: textSequences(texts, { row: segmentRows.caption, padding: endToken }),
      },
      temperature: RETRIEVAL,
    },
    { task: servingTask(model, RETRIEVAL, { dataset: dataset.name }) },
  );
};

/** Word overlap of every text with the captions of each image's nearest training image. */
const baselineScores = (
  { training, nearest }: CaptionedSplit,
  { texts, pairs }: Gallery,
): RetrievalScores | undefined => {
  if (!training || !nearest) return undefined;
  const overlap = overlapWith(texts);
  const rows = new Map<number, Float64Array>();
  const scores = new Float64Array(nearest.length * texts.length);
  nearest.forEach((neighbour, image) => {
    const row = rows.get(neighbour) ?? overlap(training.captions[neighbour] ?? []);
    rows.set(neighbour, row);
    scores.set(row, image * texts.length);
  });
  return retrievalRecall(scores, pairs);
};

export const evaluateRetrieval = async (context: SplitContext): Promise<readonly ScoreReport[]> => {
  const { dataset, split, seed } = context;
  const captioned = await captionedSplit(context);
  const { rows } = captioned;
  const gallery = galleryOf(rows);
  const scores = retrievalRecall(
    await modelScores(context, rowPatches(context, rows), gallery),
    gallery.pairs,
  );
  const simple = baselineScores(captioned, gallery);
  const { images, texts, distinctTexts } = scores.gallery;
  const sizes = { images, texts, ...(distinctTexts === texts ? {} : { 'different texts': distinctTexts }) };
  const directions = [
    { metric: 'text recall', of: 'imageToText', groups: rows.groups },
    { metric: 'image recall', of: 'textToImage', groups: gallery.captionGroups },
  ] as const;
  return [...scores.imageToText.keys()].flatMap((k) =>
    directions.flatMap(({ metric, of, groups }) => {
      const recall = scores[of].get(k);
      const baseline = simple?.[of].get(k);
      if (!recall) return [];
      return [
        reportMean(
          {
            task: `${dataset.name} retrieval`,
            split,
            metric: `${metric}@${k}`,
            chance: recall.chance,
            gallery: sizes,
            ...(baseline ? { baselines: { 'nearest image': baseline.value } } : {}),
          },
          recall.perSample,
          { seed, groups, range: [0, 1] },
        ),
      ];
    }),
  );
};
