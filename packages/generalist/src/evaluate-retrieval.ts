/**
 * Scores of image-text retrieval on a split: recall at 1, 5 and 10 both ways, over the gallery of the distinct first
 * captions (names). The baseline ranks by the words that a text shares with the name of the training picture whose
 * pixels are nearest.
 */
import { chanceRecall, reportMean, tokenF1, topK, type ScoreReport } from '@polygate/evaluation';
import { endedTokens, segmentRows, textSequences } from '@polygate/tasks';
import { rowPatches, type CaptionedRows, type CaptionedSplit } from './captioned-rows.ts';
import type { SplitContext } from './evaluation-context.ts';
import { encodeCandidates } from './features.ts';
import { retrievalRanks, type RetrievalRanks } from './retrieval-ranks.ts';
import { servingTask } from './serving.ts';
import { pictureFeatures, scoresOf } from './similarity.ts';

const RANKS = [1, 5, 10] as const;

interface Gallery {
  readonly rows: CaptionedRows;
  /** Distinct texts. */
  readonly texts: readonly string[];
  readonly tokens: readonly Int32Array[];
  readonly textOfPicture: Int32Array;
}

const galleryOf = (rows: CaptionedRows): Gallery => {
  const index = new Map<string, number>();
  const tokens: Int32Array[] = [];
  const textOfPicture = Int32Array.from(rows.captions, (captions, i) => {
    const text = captions[0] ?? '';
    const known = index.get(text);
    if (known !== undefined) return known;
    index.set(text, index.size);
    tokens.push(rows.first[i] ?? new Int32Array(0));
    return index.size - 1;
  });
  return { rows, texts: [...index.keys()], tokens, textOfPicture };
};

const modelScores = async (context: SplitContext, gallery: Gallery): Promise<Float32Array> => {
  const { model } = context;
  const endToken = model.tokenizer.specials.endoftext;
  const maximum = model.config.maximumTokens ?? 50;
  const task = servingTask(model.config, 'image-text-retrieval', { dataset: context.dataset.name });
  const queries = pictureFeatures(model, rowPatches(context, gallery.rows), task);
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

/** Word overlap of every text with the name of each picture's nearest training picture. */
const baselineRanks = (
  { training, nearest }: CaptionedSplit,
  gallery: Gallery,
): RetrievalRanks | undefined => {
  if (!training || !nearest) return undefined;
  const { texts } = gallery;
  const rows = new Map<string, Float64Array>();
  const scores = new Float32Array(nearest.length * texts.length);
  nearest.forEach((neighbour, picture) => {
    const candidate = training.captions[neighbour]?.[0] ?? '';
    const row =
      rows.get(candidate) ?? tokenF1(texts.map((text) => ({ candidate, references: [text] }))).perSample;
    rows.set(candidate, row);
    scores.set(row, picture * texts.length);
  });
  return retrievalRanks(scores, gallery.textOfPicture, texts.length);
};

export const evaluateRetrieval = async (
  context: SplitContext,
  captioned: CaptionedSplit,
): Promise<readonly ScoreReport[]> => {
  const { dataset, split, seed } = context;
  const gallery = galleryOf(captioned.rows);
  const texts = gallery.texts.length;
  const pictures = gallery.textOfPicture.length;
  const ranks = retrievalRanks(await modelScores(context, gallery), gallery.textOfPicture, texts);
  const simple = baselineRanks(captioned, gallery);
  const picturesOf = new Int32Array(texts);
  for (const text of gallery.textOfPicture) picturesOf[text] = (picturesOf[text] ?? 0) + 1;
  const chanceOfPictures = (k: number): number =>
    picturesOf.reduce((sum, own) => sum + chanceRecall(pictures, k, own), 0) / texts;
  const name = { task: `${dataset.name} retrieval`, split };
  const baseline = (own: Int32Array | undefined, k: number) =>
    own ? { baselines: { 'nearest picture': topK(own, k).value } } : {};
  return RANKS.flatMap((k) => [
    reportMean(
      {
        ...name,
        metric: `text recall@${k}`,
        chance: chanceRecall(texts, k),
        ...baseline(simple?.texts, k),
      },
      topK(ranks.texts, k).perSample,
      { seed, groups: [...gallery.rows.groups] },
    ),
    reportMean(
      {
        ...name,
        metric: `picture recall@${k}`,
        chance: chanceOfPictures(k),
        ...baseline(simple?.pictures, k),
      },
      topK(ranks.pictures, k).perSample,
      { seed },
    ),
  ]);
};
