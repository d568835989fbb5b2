/**
 * Scores of image-text retrieval on a split: recall at 1, 5 and 10 both ways, over all captions of all its pictures, by
 * the protocol of {@link retrievalRecall}. The baseline ranks by the words that a text shares with the captions of the
 * training picture whose pixels are nearest.
 */
import {
  overlapWith,
  reportMean,
  retrievalRecall,
  type RetrievalPairs,
  type RetrievalScores,
  type ScoreReport,
} from '@polygate/evaluation';
import { endedTokens, textSequences } from '@polygate/modalities';
import { segmentRows } from '@polygate/tasks';
import { rowPatches, type CaptionedRows, type CaptionedSplit } from './captioned-rows.ts';
import type { SplitContext } from './evaluation-context.ts';
import { encodeCandidates } from './models/uni-perceiver/features.ts';
import { servingTask } from './serving.ts';
import { pictureFeatures, scoresOf } from './similarity.ts';

interface Gallery {
  /** Texts that differ, each once. */
  readonly texts: readonly string[];
  readonly tokens: readonly Int32Array[];
  readonly pairs: RetrievalPairs;
  /** Group of each caption, for intervals: that of the first picture that has it. */
  readonly captionGroups: readonly string[];
}

const galleryOf = (rows: CaptionedRows): Gallery => {
  const columns = new Map<string, number>();
  const tokens: Int32Array[] = [];
  const groups: string[] = [];
  const pictureOfText: number[] = [];
  const columnOfText: number[] = [];
  rows.captions.forEach((captions, picture) => {
    captions.forEach((text, i) => {
      let column = columns.get(text);
      if (column === undefined) {
        column = columns.size;
        columns.set(text, column);
        tokens.push(rows.tokens[picture]?.[i] ?? new Int32Array(0));
        groups.push(rows.groups[picture] ?? '');
      }
      pictureOfText.push(picture);
      columnOfText.push(column);
    });
  });
  return {
    texts: [...columns.keys()],
    tokens,
    pairs: { pictures: rows.captions.length, pictureOfText, columnOfText },
    captionGroups: columnOfText.map((column) => groups[column] ?? ''),
  };
};

const modelScores = async (
  context: SplitContext,
  rows: CaptionedRows,
  gallery: Gallery,
): Promise<Float32Array> => {
  const { model } = context;
  const endToken = model.tokenizer.specials.endoftext;
  const maximum = model.config.maximumTokens ?? 50;
  const task = servingTask(model.config, 'image-text-retrieval', { dataset: context.dataset.name });
  const queries = pictureFeatures(model, rowPatches(context, rows), task);
  const candidates = encodeCandidates(
    model,
    textSequences(
      gallery.tokens.map((tokens) => endedTokens(tokens, { endToken, maximum })),
      { row: segmentRows.caption, padding: endToken },
    ),
    { task },
  );
  try {
    return await scoresOf(model, { queries, candidates }, 'image-text-retrieval');
  } finally {
    queries.dispose();
    candidates.dispose();
  }
};

/** Word overlap of every text with the captions of each picture's nearest training picture. */
const baselineScores = (
  { training, nearest }: CaptionedSplit,
  { texts, pairs }: Gallery,
): RetrievalScores | undefined => {
  if (!training || !nearest) return undefined;
  const overlap = overlapWith(texts);
  const rows = new Map<number, Float64Array>();
  const scores = new Float64Array(nearest.length * texts.length);
  nearest.forEach((neighbour, picture) => {
    const row = rows.get(neighbour) ?? overlap(training.captions[neighbour] ?? []);
    rows.set(neighbour, row);
    scores.set(row, picture * texts.length);
  });
  return retrievalRecall(scores, pairs);
};

export const evaluateRetrieval = async (
  context: SplitContext,
  captioned: CaptionedSplit,
): Promise<readonly ScoreReport[]> => {
  const { dataset, split, seed } = context;
  const { rows } = captioned;
  const gallery = galleryOf(rows);
  const scores = retrievalRecall(await modelScores(context, rows, gallery), gallery.pairs);
  const simple = baselineScores(captioned, gallery);
  const { pictures, texts, distinctTexts } = scores.gallery;
  const sizes = { pictures, texts, ...(distinctTexts === texts ? {} : { 'different texts': distinctTexts }) };
  const directions = [
    { metric: 'text recall', of: 'pictureToText', groups: rows.groups },
    { metric: 'picture recall', of: 'textToPicture', groups: gallery.captionGroups },
  ] as const;
  return [...scores.pictureToText.keys()].flatMap((k) =>
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
            ...(baseline ? { baselines: { 'nearest picture': baseline.value } } : {}),
          },
          recall.perSample,
          { seed, groups, range: [0, 1] },
        ),
      ];
    }),
  );
};
