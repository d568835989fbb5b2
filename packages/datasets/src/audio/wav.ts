/**
 * WAV files: PCM of 8, 16, 24 and 32 bits, floats of 32 and 64, plain and extensible. Source: Microsoft's "Multiple Channel
 * Audio Data and WAVE Files", and RFC 2361 for the tags.
 */
import { headFault, type Sound, type SoundFault } from './sound.ts';

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;
/** Sizes that programs write which don't know the length yet: what is there is all. */
const UNKNOWN_SIZES: ReadonlySet<number> = new Set([0, 0xffffffff, 0x7fffffff]);

interface Format {
  readonly tag: number;
  readonly channels: number;
  readonly rate: number;
  readonly bits: number;
}

const formatOf = (view: DataView, at: number, size: number): Format => {
  const tag = view.getUint16(at, true);
  return {
    // The first two bytes of the identifier of an extensible format are its tag.
    tag: tag === EXTENSIBLE && size >= 26 ? view.getUint16(at + 24, true) : tag,
    channels: view.getUint16(at + 2, true),
    rate: view.getUint32(at + 4, true),
    bits: view.getUint16(at + 14, true),
  };
};

/** How a sample of a format is read, -1 to 1. */
const readerOf = ({ tag, bits }: Format, view: DataView): ((at: number) => number) | undefined => {
  if (tag === FLOAT && bits === 32) return (at) => view.getFloat32(at, true);
  if (tag === FLOAT && bits === 64) return (at) => view.getFloat64(at, true);
  if (tag !== PCM) return undefined;
  if (bits === 8) return (at) => (view.getUint8(at) - 128) / 128;
  if (bits === 16) return (at) => view.getInt16(at, true) / 2 ** 15;
  if (bits === 24) return (at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 2 ** 16) / 2 ** 23;
  if (bits === 32) return (at) => view.getInt32(at, true) / 2 ** 31;
  return undefined;
};

const damaged = (reason: string, code = 'corrupt-audio'): SoundFault => ({ code, reason });

const soundOf = (
  view: DataView,
  format: Format,
  { start, bytes }: { readonly start: number; readonly bytes: number },
): Sound | SoundFault => {
  const { channels, rate, bits, tag } = format;
  const fault = headFault(rate, channels);
  if (fault) return fault;
  const read = readerOf(format, view);
  if (!read)
    return damaged(
      `expected PCM of 8, 16, 24 or 32 bits, or floats of 32 or 64, got ${bits} bits of the format ${tag}; convert the file to PCM`,
      'audio-format',
    );
  const width = bits / 8;
  const count = Math.floor(bytes / (width * channels));
  const samples = Array.from({ length: channels }, (_, channel) =>
    Float32Array.from({ length: count }, (__, i) => read(start + (i * channels + channel) * width)),
  );
  return samples.every((channel) => channel.every(Number.isFinite))
    ? { channels: samples, rate }
    : damaged('expected finite samples, got NaN or infinity');
};

/** The sound of a WAV file, or what is wrong with it. */
export const decodeWav = (bytes: Uint8Array): Sound | SoundFault => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let format: Format | undefined;
  let at = 12;
  while (at + 8 <= bytes.length) {
    const name = Buffer.from(bytes.subarray(at, at + 4)).toString('latin1');
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    const rest = bytes.length - start;
    if (name === 'fmt ') {
      if (size < 16 || size > rest)
        return damaged('expected a format of 16 bytes or more, got the end of the file');
      format = formatOf(view, start, size);
    }
    if (name === 'data') {
      if (!format) return damaged('expected a format before the samples, got none');
      const isWhole = size <= rest;
      if (!isWhole && !UNKNOWN_SIZES.has(size))
        return damaged(
          `expected ${size} bytes of samples, got ${rest} and the end of the file`,
          'truncated-audio',
        );
      return soundOf(view, format, { start, bytes: isWhole && size > 0 ? size : rest });
    }
    // Chunks begin at even places.
    at = start + size + (size % 2);
  }
  return damaged('expected samples, got the end of the file', 'truncated-audio');
};
