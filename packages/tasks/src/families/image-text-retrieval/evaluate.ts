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
import { captionedSplit, type CaptionedRows, type CaptionedSplit } from '../../evaluation/captioned-rows.ts';
import type { SplitContext } from '../../evaluation/context.ts';
import { endedTokens, imageSequences, textSequences } from '@polygate/modalities';
import { scoredTask, type ScoredTask } from '../../evaluation/scored-task.ts';
import { pieces } from '../../image-patches.ts';
import { segmentRows } from '../../signatures.ts';
import type { TaskTargets } from '../../task.ts';
import type { VisualSource } from '../../visual/visual-source.ts';
import type { SettingFields } from '../family.ts';
import { RETRIEVAL_TEMPERATURE } from './collate.ts';
import { retrievalDetails } from './retrieval-details.ts';

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

/** Samples whose patches are held at once; a multiple of those that are encoded at once. */
const SAMPLES_AT_ONCE = 512;

const targetsOf = ({ model }: SplitContext, gallery: Gallery): TaskTargets => {
  const endToken = model.tokenizer.specials.endoftext;
  const maximum = model.maximumTokens;
  const texts = gallery.tokens.map((tokens) => endedTokens(tokens, { endToken, maximum }));
  return {
    key: 'gallery',
    // So that its features are kept from piece to piece and view to view.
    whole: true,
    ids: Int32Array.from(texts, (_, text) => text),
    sequences: textSequences(texts, { row: segmentRows.caption, padding: endToken }),
  };
};

/** Similarities [samples * texts] by the model, the means over views. */
const modelScores = async <Fields extends SettingFields>(
  context: SplitContext,
  { rows, gallery, asked, source }: Asked<Fields>,
): Promise<Float32Array> => {
  const { model } = context;
  const shown = source.shown(asked.task);
  const targets = targetsOf(context, gallery);
  const count = gallery.texts.length;
  const scores = new Float32Array(rows.samples.length * count);
  for (const [start, end] of pieces(rows.samples.length, SAMPLES_AT_ONCE)) {
    const part = rows.samples.slice(start, end);
    for (let view = 0; view < shown.count; view += 1) {
      const inputs = imageSequences(shown.patches(part, model.image, view), segmentRows.image);
      const batch = { inputs, queries: 'prefix', targets, temperature: RETRIEVAL_TEMPERATURE } as const;
      (await model.scores(batch, { task: asked.serving })).forEach((score, i) => {
        const at = start * count + i;
        scores[at] = (scores[at] ?? 0) + score / shown.count;
      });
    }
  }
  return scores;
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

interface Asked<Fields extends SettingFields> {
  readonly rows: CaptionedRows;
  readonly gallery: Gallery;
  readonly asked: ScoredTask;
  readonly source: VisualSource<Fields>;
}

/** Scores of the splits of a family that retrieves what a source shows, and texts about it. */
export const retrievalEvaluation =
  <Fields extends SettingFields>(source: VisualSource<Fields>, family: string) =>
  async (context: SplitContext): Promise<readonly ScoreReport[]> => {
    const { split, seed } = context;
    const asked = scoredTask(context, family);
    const captioned = await captionedSplit(context, source);
    const { rows } = captioned;
    const gallery = galleryOf(rows);
    const scores = retrievalRecall(
      await modelScores(context, { rows, gallery, asked, source }),
      gallery.pairs,
    );
    const simple = baselineScores(captioned, gallery);
    const { images, texts, distinctTexts } = scores.gallery;
    const sizes = {
      [`${source.noun}s`]: images,
      texts,
      ...(distinctTexts === texts ? {} : { 'different texts': distinctTexts }),
    };
    const directions = [
      { metric: 'text recall', of: 'imageToText', groups: rows.groups },
      { metric: `${source.noun} recall`, of: 'textToImage', groups: gallery.captionGroups },
    ] as const;
    const recalls = [...scores.imageToText.keys()].flatMap((k) =>
      directions.flatMap(({ metric, of, groups }) => {
        const recall = scores[of].get(k);
        const baseline = simple?.[of].get(k);
        if (!recall) return [];
        return [
          reportMean(
            {
              task: `${asked.name} retrieval`,
              split,
              metric: `${metric}@${k}`,
              chance: recall.chance,
              gallery: sizes,
              ...(baseline ? { baselines: { [`nearest ${source.still}`]: baseline.value } } : {}),
            },
            recall.perSample,
            { seed, groups, range: [0, 1] },
          ),
        ];
      }),
    );
    if (!context.details) return recalls;
    const details = retrievalDetails(scores, {
      name: { task: `${asked.name} retrieval`, split, gallery: sizes },
      seed,
      directions: directions.map(({ metric, ...others }) => ({
        ...others,
        target: metric.replace(' recall', ''),
      })),
      simple: simple && [`nearest ${source.still}`, simple],
    });
    return [...recalls, ...details];
  };
