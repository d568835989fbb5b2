/** Encoding and scoring as stages of a stream. */
import { mapStage } from '@polygate/stream';
import {
  columnsOf,
  imagePatches,
  nameCandidates,
  segmentRows,
  servingTask,
  softmaxRows,
} from '@polygate/tasks';
import {
  imageSequences,
  joinSegments,
  text,
  visual,
  type Modality,
  type SegmentRows,
} from '@polygate/modalities';
import { ConfigError } from '@polygate/core';
import type { RecordBatch } from '@polygate/stream';
import type { Generalist, ModelEmbedding } from './models/model.ts';

/** A stage that computes its columns from each batch; see `mapStage` of the stream package. */
export type ModelStage = ReturnType<typeof mapStage>;

export interface EncodeStageOptions {
  /** `image` reads images (or ready patches), `text` token lists. */
  readonly from: 'image' | 'text';
  /** Column that is read. @default 'image' or 'tokens' */
  readonly source?: string;
  /** Column that is added. @default 'embedding' */
  readonly column?: string;
  /** Retrieval task of the model that the rows serve. @default its first */
  readonly task?: string;
}

/** @throws ConfigError for a model that has no space in common for inputs and targets */
const embeddingOf = ({ architecture, embedding }: Generalist): ModelEmbedding => {
  if (embedding) return embedding;
  throw new ConfigError(
    `encode stage: expected a model that embeds images and texts in one space, got one of the architecture ${architecture}; use its scores, or another model`,
    { code: 'no-embedding', fields: { architecture } },
  );
};

/** How rows become sequences: the modality's record, what its data look like, and the attributes of the segment. */
const readerOf = (
  model: Generalist,
  { from, source }: Pick<EncodeStageOptions, 'from' | 'source'>,
): {
  readonly columns: ReturnType<Modality['columns']>;
  readonly read: (batch: RecordBatch) => SegmentRows;
} => {
  if (from === 'image') {
    const input = { ...model.image, column: source };
    return {
      columns: visual.columns(input),
      read: (batch) => visual.read(columnsOf(batch), input, { row: segmentRows.image }),
    };
  }
  const input = {
    vocabularySize: model.tokenizer.size,
    endToken: model.tokenizer.specials.endoftext,
    maximumTokens: embeddingOf(model).maximumTokens,
    ...(source === undefined ? {} : { column: source }),
  };
  return {
    columns: text.columns(input),
    read: (batch) => text.read(columnsOf(batch), input, { row: segmentRows.caption }),
  };
};

/**
 * Adds `embedding`, fixedList float32 [D] of unit length: images and texts in the space in which retrieval compares
 * them. The model is borrowed and must outlive the stream.
 */
export const encodeStage = (model: Generalist, options: EncodeStageOptions): ModelStage => {
  const { column = 'embedding' } = options;
  const embedding = embeddingOf(model);
  const task = servingTask(model, 'image-text-retrieval', options);
  const { columns, read } = readerOf(model, options);
  return mapStage(
    {
      name: 'encode',
      needs: columns,
      adds: { [column]: { fixedList: 'float32', size: embedding.width } },
      metadata: { 'polygate.tokenizer.model': model.config.tokenizerHash },
    },
    async (batch) => ({
      [column]: await embedding.encode(joinSegments(batch.numRows, [read(batch)]), { task }),
    }),
  );
};

export interface ScoreStageOptions {
  /** Any words; their order is that of the scores. */
  readonly labels: readonly string[];
  /** Column that is added. @default 'scores' */
  readonly column?: string;
  /** Classification task of the model that the rows serve. @default its first */
  readonly task?: string;
}

/**
 * Adds `scores`, fixedList float32 [labels]: the probability of each label for the image of a row. The model is
 * borrowed. @throws ConfigError for no labels
 */
export const scoreStage = (model: Generalist, options: ScoreStageOptions): ModelStage => {
  const { labels, column = 'scores' } = options;
  const task = servingTask(model, 'image-classification', options);
  if (labels.length === 0) throw new ConfigError('score stage: expected one or more labels, got none');
  const set = nameCandidates(`labels:${column}`, labels, {
    tokenizer: model.tokenizer,
    row: segmentRows.name,
  });
  return mapStage(
    {
      name: 'score',
      needs: { image: { fixedList: 'uint8', size: model.image.pixels } },
      adds: { [column]: { fixedList: 'float32', size: labels.length } },
      metadata: { [`polygate.labels.${column}`]: JSON.stringify(labels) },
    },
    async (batch) => {
      const inputs = imageSequences(imagePatches(batch, model.image), segmentRows.image);
      const scores = await model.scores(
        { inputs, queries: 'prefix', targets: set.whole(), temperature: 'image-classification' },
        { task },
      );
      return { [column]: softmaxRows(scores, labels.length) };
    },
  );
};
