/** Clips of any of the known forms -> square RGB frames: animated images, folders of frames, video files. */
import { readFile, stat } from 'node:fs/promises';
import sharp from 'sharp';
import { ConfigError, FormatError, overBudget, resolveBudgets } from '@polygate/core';
import { decodeImage, loadImage, type DecodeOptions } from '../images/image-decode.ts';
import { fault, type Fault, type ImageContent, type SampleContent } from '../samples/sample.ts';
import type { ShownImages } from '../splits/shown-key.ts';
import { apngFrames, parseApng } from './apng.ts';
import { sampledFrames, type ClipSampling } from './clip-sampling.ts';
import { isVideoName } from './clip-names.ts';
import { requireWholeGif } from './gif.ts';
import { countFrames, videoFrames, type VideoPrograms } from './ffmpeg.ts';

export interface DecodeClipOptions extends DecodeOptions, ClipSampling {
  readonly programs?: VideoPrograms;
}

/** A decoded clip: row-major T·H·W·3, 8 bits. */
export interface DecodedClip {
  readonly kind: 'clip';
  readonly pixels: Uint8Array;
  /** Frames of `pixels`. */
  readonly frames: number;
  /** Frames of the file or folder. */
  readonly of: number;
}

/** A clip whose frames can be read. */
interface OpenClip {
  readonly total: number;
  /** Bytes that reading frames takes at once. */
  readonly bytes: number;
  frames(indices: readonly number[]): AsyncIterable<ImageContent> | Iterable<ImageContent>;
}

/** Frames of an image file: 1 for a still. @throws where it can't be read */
export const animationFrames = async (path: string): Promise<number> => {
  const bytes = await readFile(path);
  return parseApng(bytes)?.frames.length ?? (await sharp(bytes).metadata()).pages ?? 1;
};

const openAnimation = async (bytes: Uint8Array): Promise<OpenClip> => {
  const png = parseApng(bytes);
  if (png) {
    const { width, height } = png;
    return {
      total: png.frames.length,
      bytes: width * height * 4 * 3,
      async *frames(indices) {
        for await (const pixels of apngFrames(png, indices))
          yield { kind: 'pixels', pixels, width, height, channels: 4 };
      },
    };
  }
  requireWholeGif(bytes);
  const { pages = 1, width, pageHeight, height: sides } = await sharp(bytes, { failOn: 'error' }).metadata();
  const height = pageHeight ?? sides;
  return {
    total: pages,
    bytes: width * height * 4 * pages,
    async *frames(indices) {
      const image = sharp(bytes, { failOn: 'error', ...(pages > 1 ? { pages: -1 } : {}) });
      const { data } = await image
        .toColourspace('srgb')
        .ensureAlpha()
        .raw({ depth: 'uchar' })
        .toBuffer({ resolveWithObject: true });
      const size = width * height * 4;
      for (const index of indices) {
        const pixels = Uint8Array.from(data.subarray(index * size, (index + 1) * size));
        yield { kind: 'pixels', pixels, width, height, channels: 4 };
      }
    },
  };
};

const openClip = async (
  id: string,
  content: SampleContent,
  options: Pick<DecodeClipOptions, 'budgets' | 'programs'>,
): Promise<OpenClip | Fault> => {
  const { imageBytes, decodeBytes } = resolveBudgets(options.budgets);
  if (content.kind === 'values') return fault(id, 'no-clip', 'expected a file or frames, got numbers');
  if (content.kind === 'frames') {
    return {
      total: content.frames,
      bytes: 0,
      async *frames(indices) {
        for (const index of indices) yield await content.frame(index);
      },
    };
  }
  if (content.kind === 'paths') {
    return {
      total: content.paths.length,
      bytes: 0,
      frames: (indices) => indices.map((index) => ({ kind: 'path', path: content.paths[index] ?? '' })),
    };
  }
  if (content.kind === 'path' && isVideoName(content.path)) {
    const { path } = content;
    if (!(await stat(path).catch(() => undefined))?.isFile())
      return fault(id, 'missing-file', 'expected a video file, got nothing at its path');
    return {
      total: await countFrames(path, options.programs),
      bytes: 0,
      async *frames(indices) {
        const bounds = { ...options.programs, frameBytes: decodeBytes };
        for await (const frame of videoFrames(path, indices, bounds))
          yield { kind: 'pixels', channels: 3, ...frame };
      },
    };
  }
  const bytes = await loadImage(id, content, imageBytes);
  return 'kind' in bytes ? bytes : openAnimation(bytes);
};

/**
 * The frames of a clip that the sampling keeps, as they are before they are made images of the prepared size.
 * @returns a fault for what can't be read
 * @throws FormatError for damaged files, ConfigError for a video file where ffmpeg is not installed
 */
export const keptFrames = async (
  id: string,
  content: SampleContent,
  options: ClipSampling & Pick<DecodeClipOptions, 'budgets' | 'programs'>,
): Promise<ShownImages | Fault> => {
  const clip = await openClip(id, content, options);
  if ('kind' in clip) return clip;
  if (clip.total === 0) return fault(id, 'no-frames', 'expected a clip with frames, got none');
  return { bytes: clip.bytes, images: () => clip.frames(sampledFrames(clip.total, options)) };
};

/**
 * Decodes the frames of a clip that the sampling keeps, each as `decodeImage` makes an image of it. A still image is a
 * clip of one frame. What can't be decoded is a fault with the reason.
 * @throws ConfigError for a video file where ffmpeg is not installed
 */
export const decodeClip = async (
  id: string,
  content: SampleContent,
  options: DecodeClipOptions,
): Promise<DecodedClip | Fault> => {
  const { gate, ...frameOptions } = options;
  const { decodeBytes, sampleBytes } = resolveBudgets(options.budgets);
  const decode = async (clip: OpenClip): Promise<DecodedClip | Fault> => {
    const indices = sampledFrames(clip.total, options);
    const area = options.size * options.size * 3;
    if (indices.length * area > sampleBytes)
      return fault(id, 'clip-too-large', overBudget('sampleBytes', sampleBytes, indices.length * area));
    const pixels = new Uint8Array(indices.length * area);
    let frames = 0;
    for await (const content of clip.frames(indices)) {
      const image = await decodeImage(id, content, frameOptions);
      if (image.kind === 'fault') return image;
      pixels.set(image.pixels, frames * area);
      frames += 1;
    }
    // A container may count frames that its stream does not hold.
    return frames === 0
      ? fault(id, 'no-frames', 'expected a clip with frames, got none')
      : { kind: 'clip', pixels: pixels.subarray(0, frames * area), frames, of: clip.total };
  };
  try {
    const clip = await openClip(id, content, options);
    if ('kind' in clip) return clip;
    if (clip.total === 0) return fault(id, 'no-frames', 'expected a clip with frames, got none');
    if (clip.bytes > decodeBytes)
      return fault(id, 'clip-too-large', overBudget('decodeBytes', decodeBytes, clip.bytes));
    return await (gate ? gate.run(clip.bytes, () => decode(clip)) : decode(clip));
  } catch (error) {
    if (error instanceof FormatError) return fault(id, 'corrupt-clip', error.message);
    if (error instanceof ConfigError) throw error;
    const reason = error instanceof Error ? error.message.replace(/\s+/gu, ' ').slice(0, 200) : String(error);
    return fault(id, 'corrupt-clip', `expected a clip that can be decoded, got: ${reason}`);
  }
};
