/**
 * Why an image can't be decoded, in words that depend on its bytes alone. The decoder's own text won't do for a list
 * that should be the same in every run: decoders that work at once share one error buffer.
 */
import { crc32 } from '@polygate/core';

interface Format {
  readonly name: string;
  /** Bytes at an offset that tell the format. */
  readonly magic: string;
  readonly at?: number;
}

const formats: readonly Format[] = [
  { name: 'PNG', magic: '\u0089PNG\r\n\u001a\n' },
  { name: 'JPEG', magic: '\u00ff\u00d8\u00ff' },
  { name: 'GIF', magic: 'GIF8' },
  { name: 'WebP', magic: 'WEBP', at: 8 },
  { name: 'AVIF or HEIF', magic: 'ftyp', at: 4 },
  { name: 'TIFF', magic: 'II*\u0000' },
  { name: 'TIFF', magic: 'MM\u0000*' },
];
/** Bytes that are searched for the root of an SVG. */
const SVG_HEAD_BYTES = 4096;
/** Bytes shown of a file of no known format. */
const SHOWN_BYTES = 8;
const PNG_SIGNATURE_BYTES = 8;
/** Length, type and checksum of a PNG chunk. */
const PNG_FRAME_BYTES = 12;

const latin = (bytes: Uint8Array, from: number, length: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', from, from + length);

const formatOf = (bytes: Uint8Array): string | undefined => {
  const format = formats.find(({ magic, at = 0 }) => latin(bytes, at, magic.length) === magic);
  if (format) return format.name;
  return latin(bytes, 0, SVG_HEAD_BYTES).includes('<svg') ? 'SVG' : undefined;
};

/** The first chunk of a PNG that is cut off or fails its checksum; undefined where the frame is whole. */
const pngDamage = (bytes: Uint8Array): string | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = PNG_SIGNATURE_BYTES;
  while (at < bytes.length) {
    const left = bytes.length - at - PNG_FRAME_BYTES;
    const length = left >= 0 ? view.getUint32(at) : 0;
    if (left < length) return `which ends within the chunk at byte ${at}`;
    // Names are four letters; those of a damaged one are not shown.
    const type = /^[A-Za-z]{4}$/u.exec(latin(bytes, at + 4, 4))?.[0];
    const checksum = view.getUint32(at + 8 + length);
    if (type === undefined || crc32(bytes.subarray(at + 4, at + 8 + length)) !== checksum)
      return `whose chunk${type === undefined ? '' : ` ${type}`} at byte ${at} fails its checksum`;
    if (type === 'IEND') return undefined;
    at += PNG_FRAME_BYTES + length;
  }
  return 'which ends before its last chunk';
};

/** The reason for bytes that the decoder refused: what they look like, and where they are damaged if that shows. */
export const describeUndecodable = (bytes: Uint8Array): string => {
  const format = formatOf(bytes);
  const expected = 'expected an image that can be decoded, got';
  if (format === undefined) {
    const shown = Buffer.from(bytes.subarray(0, SHOWN_BYTES))
      .toString('hex')
      .replace(/..(?=.)/gu, '$& ');
    return `${expected} ${bytes.length} bytes of no known format, beginning with ${shown}`;
  }
  const ends = format === 'JPEG' && latin(bytes, bytes.length - 2, 2) !== '\u00ff\u00d9';
  const damage = format === 'PNG' ? pngDamage(bytes) : ends ? 'which does not end as one' : undefined;
  return `${expected} ${bytes.length} bytes of ${damage === undefined ? `a damaged ${format}` : `${format} ${damage}`}`;
};
