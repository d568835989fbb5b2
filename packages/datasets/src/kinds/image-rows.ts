/** Samples -> rows of kind labelled-image or captioned-image: decoding and tokenizing. */
import { availableParallelism } from 'node:os';
import { ByteGate, ConfigError, resolveBudgets } from '@polygate/core';
import { mapOrdered, type DatasetMetadata, type FieldKind, type RecordBatch } from '@polygate/stream';
import type { Tokenizer } from '@polygate/tokens';
import { decodeImage, type DecodeOptions } from '../images/image-decode.ts';
import { fault, type Fault, type Sample } from '../samples/sample.ts';
import type { FaultHandler } from '../samples/select-samples.ts';
import type { ColumnOptions } from './dataset-kind.ts';
import {
  batchRows,
  encodeText,
  extraColumns,
  isFaultRow,
  rowBytes,
  type Row,
  type RowOptions,
  type SampleNote,
} from './row-batches.ts';

/** The column of images: [size·size·3] uint8 RGB, row-major. */
export const imageColumn = ({ imageSize }: ColumnOptions): FieldKind => ({
  fixedList: 'uint8',
  size: Math.max(1, imageSize * imageSize * 3),
});

/** What the schema says of images. */
export const imageMetadata = ({ imageSize }: ColumnOptions): Pick<DatasetMetadata, 'image'> => ({
  image: { height: imageSize, width: imageSize, channels: 3 },
});

/** Token ids of a sample's captions; those that can't be used are handed to `onFault`. */
export const captionsOf = (sample: Sample, tokenizer: Tokenizer, onFault: FaultHandler): Int32Array[] => {
  const captions: Int32Array[] = [];
  for (const [index, text] of (sample.texts ?? []).entries()) {
    const ids = encodeText(`${sample.id}#${index}`, text, tokenizer);
    if ('kind' in ids) onFault(ids);
    else captions.push(ids);
  }
  return captions;
};

/** The fault of a sample without a caption that can be used. */
export const noCaption = ({ id }: Sample): Fault =>
  fault(id, 'no-caption', 'expected at least one caption, got none that can be used');

export interface ImageRowOptions extends RowOptions, DecodeOptions {
  /** Needed for captions. */
  readonly tokenizer?: Tokenizer;
  /** Told of every image that was taken with a loss: the first frame of an animation. */
  readonly onNote?: (note: SampleNote) => void;
  /** Images decoded at once. @default the number of processors plus two */
  readonly concurrency?: number;
}

/**
 * Rows of kind labelled-image or captioned-image, as the schema says. Images are decoded several at a time; the
 * order stays. @throws ConfigError for captions without tokenizer
 */
export async function* imageBatches(
  samples: AsyncIterable<Sample>,
  options: ImageRowOptions,
): AsyncGenerator<RecordBatch> {
  const { schema, onFault, tokenizer } = options;
  const names = schema.fields.map((field) => field.name);
  const captioned = names.includes('captions');
  if (captioned && !tokenizer)
    throw new ConfigError('images: expected a tokenizer for the captions, got none');
  // Told when the row is handed on, so that the order is that of the samples.
  const notes = new Map<Sample, number>();
  const { decodeBytes, sampleBytes } = resolveBudgets(options.budgets);
  const gate = new ByteGate(decodeBytes);
  const toRow = async (sample: Sample): Promise<Row | Fault> => {
    if (!sample.image) return fault(sample.id, 'no-image', 'expected an image, got none');
    if (!captioned && sample.label === undefined)
      return fault(sample.id, 'no-label', 'expected a label, got none');
    const image = await decodeImage(sample.id, sample.image, { gate, ...options });
    if (image.kind === 'fault') return image;
    if (image.frames !== undefined) notes.set(sample, image.frames);
    const row = { id: sample.id, image: image.pixels, ...extraColumns(sample, schema) };
    return captioned ? { ...row, captions: [] } : { ...row, label: sample.label ?? 0 };
  };
  async function* rows(): AsyncGenerator<Row> {
    const concurrency = options.concurrency ?? availableParallelism() + 2;
    const decoded = mapOrdered(samples, async (sample) => ({ sample, row: await toRow(sample) }), {
      concurrency,
      sizeOf: heldBytes,
      bytes: sampleBytes,
    });
    for await (const { sample, row } of decoded) {
      const frames = notes.get(sample);
      if (frames !== undefined) {
        notes.delete(sample);
        options.onNote?.({ id: sample.id, code: 'first-frame', text: `the first of ${frames} frames` });
      }
      if (isFaultRow(row)) onFault(row);
      else if (!captioned || !tokenizer) yield row;
      else {
        const captions = captionsOf(sample, tokenizer, onFault);
        if (captions.length > 0) yield { ...row, captions };
        else onFault(noCaption(sample));
      }
    }
  }
  yield* batchRows(rows(), options);
}

/** Bytes of an encoded image and of its row, which wait until those before them are done. */
const heldBytes = ({ sample: { image }, row }: { sample: Sample; row: Row | Fault }): number =>
  (image?.kind === 'bytes' ? image.bytes.length : 0) + (isFaultRow(row) ? 0 : rowBytes(row));
