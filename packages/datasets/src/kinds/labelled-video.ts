/**
 * Clips with one class each. `frames` are [T·size·size·3] uint8 RGB, row-major, for the T frames that were kept, which
 * `frame_count` repeats; clips that are shorter than others have fewer.
 */
import { availableParallelism } from 'node:os';
import { ByteGate, resolveBudgets } from '@polygate/core';
import { listRow, mapOrdered, values, type RecordBatch } from '@polygate/stream';
import { z } from 'zod';
import { fault, type Fault, type Sample } from '../samples/sample.ts';
import type { ClipSampling } from '../video/clip-sampling.ts';
import { decodeClip } from '../video/clip-decode.ts';
import type { DatasetKind, KindRowOptions, KindSettings } from './dataset-kind.ts';
import { imageMetadata } from './image-rows.ts';
import { labelBaselines } from './label-baselines.ts';
import { batchRows, extraColumns, isFaultRow, rowBytes, type Row } from './row-batches.ts';
import { drawnLabels, noiseImages, rowIds } from './synthetic-rows.ts';

/** Name under which samples hold their clip. */
export const CLIP = 'clip';
/** Most frames of a row. */
const MAX_FRAMES = 256;

/** How clips are sampled when they are prepared; kinds of clips share it. */
export const videoSection = {
  name: 'video',
  settings: {
    /** Most frames that are kept of a clip. */
    frames: z.number().int().min(1).max(MAX_FRAMES).default(16),
    /** Every n-th frame is kept; `auto` spans the whole clip with the frames that are kept. */
    stride: z.union([z.literal('auto'), z.number().int().min(1).max(10_000)]).default('auto'),
  },
};

/** The sampling of a kind's settings, where they are those of the section. */
export const clipSamplingOf = (settings: KindSettings): ClipSampling =>
  z.object(videoSection.settings).parse({ frames: settings['frames'], stride: settings['stride'] });

const heldBytes = ({ row }: { readonly row: Row | Fault }): number => (isFaultRow(row) ? 0 : rowBytes(row));

async function* clipRows(samples: AsyncIterable<Sample>, options: KindRowOptions): AsyncGenerator<Row> {
  const { schema, onFault, image, settings, budgets = {} } = options;
  const { decodeBytes, sampleBytes } = resolveBudgets(budgets);
  const decoding = { ...image, ...clipSamplingOf(settings), budgets, gate: new ByteGate(decodeBytes) };
  const toRow = async (sample: Sample): Promise<Row | Fault> => {
    const clip = sample.contents?.[CLIP];
    if (!clip) return fault(sample.id, 'no-clip', 'expected a clip, got none');
    if (sample.label === undefined) return fault(sample.id, 'no-label', 'expected a label, got none');
    const decoded = await decodeClip(sample.id, clip, decoding);
    if (decoded.kind === 'fault') return decoded;
    const { pixels, frames } = decoded;
    return {
      id: sample.id,
      frames: pixels,
      frame_count: frames,
      label: sample.label,
      ...extraColumns(sample, schema),
    };
  };
  const decoded = mapOrdered(samples, async (sample) => ({ row: await toRow(sample) }), {
    concurrency: availableParallelism(),
    sizeOf: heldBytes,
    bytes: sampleBytes,
  });
  for await (const { row } of decoded) {
    if (isFaultRow(row)) onFault(row);
    else yield row;
  }
}

/** The frames of a row: [T·size·size·3] uint8, a copy. */
export const clipOfRow = (
  batch: RecordBatch,
  row: number,
): { readonly pixels: Uint8Array; readonly frames: number } => ({
  pixels: Uint8Array.from(listRow(batch, 'frames', row) as Iterable<number>),
  frames: Number(values(batch, 'frame_count')[row] ?? 0),
});

export const labelledVideo: DatasetKind = Object.freeze({
  name: 'labelled-video',
  summary: 'clips with one class each, as frames',
  modalities: ['visual'],
  hasClasses: true,
  needsTokenizer: false,
  section: videoSection,
  columns: () => ({ id: 'utf8', frames: { list: 'uint8' }, frame_count: 'int32', label: 'int32' }),
  metadata: (options) => ({ ...imageMetadata(options), settings: { ...clipSamplingOf(options.settings) } }),
  batches: (samples, options) => batchRows(clipRows(samples, options), options),
  baselines: async (context) => ({ baselines: await labelBaselines(context) }),
  synthetic(options) {
    const { frames } = clipSamplingOf(options.settings);
    return {
      id: rowIds(options),
      frames: rowIds(options).map(() => noiseImages({ ...options, rows: frames })),
      frame_count: rowIds(options).map(() => frames),
      label: drawnLabels(options),
    };
  },
} satisfies DatasetKind);
