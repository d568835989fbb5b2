/** What the kinds of clips share: how clips are sampled, decoding of samples' clips into rows, and reading them back. */
import { availableParallelism } from 'node:os';
import { ByteGate, resolveBudgets } from '@polygate/core';
import { listRow, mapOrdered, values, type DatasetMetadata, type RecordBatch } from '@polygate/stream';
import { z } from 'zod';
import { fault, type Fault, type Sample } from '../samples/sample.ts';
import type { ShownImages } from '../splits/shown-key.ts';
import type { ClipSampling } from '../video/clip-sampling.ts';
import { decodeClip, keptFrames } from '../video/clip-decode.ts';
import type {
  ColumnOptions,
  KindRowOptions,
  KindSettings,
  ShownOptions,
  SyntheticOptions,
} from './dataset-kind.ts';
import { imageMetadata } from './image-rows.ts';
import { extraColumns, isFaultRow, rowBytes, type Row } from './row-batches.ts';
import { noiseImages, rowIds } from './synthetic-rows.ts';

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

/** Columns of a clip: `frames` are [T·size·size·3] uint8 RGB, row-major, for the T frames that `frame_count` repeats. */
export const clipColumns = { frames: { list: 'uint8' }, frame_count: 'int32' } as const;

/** What the schema says of clips. */
export const clipMetadata = (options: ColumnOptions): Pick<DatasetMetadata, 'image' | 'settings'> => ({
  ...imageMetadata(options),
  settings: { ...clipSamplingOf(options.settings) },
});

/** What a sample's clip shows: the frames that are kept of it. */
export const shownFrames = async (
  { id, contents }: Sample,
  { settings, budgets = {} }: ShownOptions,
): Promise<ShownImages | undefined> => {
  const clip = contents?.[CLIP];
  const kept = clip && (await keptFrames(id, clip, { ...clipSamplingOf(settings), budgets }));
  return kept && 'images' in kept ? kept : undefined;
};

const heldBytes = ({ row }: { readonly row: Row | Fault }): number => (isFaultRow(row) ? 0 : rowBytes(row));

/**
 * Rows of samples with a clip, several decoded at once, in order.
 * @param others the columns of a sample beside id and clip, or what is wrong with it
 */
export async function* clipRows(
  samples: AsyncIterable<Sample>,
  options: KindRowOptions,
  others: (sample: Sample) => Row | Fault,
): AsyncGenerator<Row> {
  const { schema, onFault, image, settings, budgets = {} } = options;
  const { decodeBytes, sampleBytes } = resolveBudgets(budgets);
  const decoding = { ...image, ...clipSamplingOf(settings), budgets, gate: new ByteGate(decodeBytes) };
  const toRow = async (sample: Sample): Promise<Row | Fault> => {
    const clip = sample.contents?.[CLIP];
    if (!clip) return fault(sample.id, 'no-clip', 'expected a clip, got none');
    const rest = others(sample);
    if (isFaultRow(rest)) return rest;
    const decoded = await decodeClip(sample.id, clip, decoding);
    if (decoded.kind === 'fault') return decoded;
    const { pixels, frames } = decoded;
    return { id: sample.id, frames: pixels, frame_count: frames, ...rest, ...extraColumns(sample, schema) };
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

/** Columns of made-up clips. */
export const syntheticClips = (options: SyntheticOptions) => {
  const { frames } = clipSamplingOf(options.settings);
  return {
    id: rowIds(options),
    frames: rowIds(options).map(() => noiseImages({ ...options, rows: frames })),
    frame_count: rowIds(options).map(() => frames),
  };
};
