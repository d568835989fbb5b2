/** How many images a file holds: animations and documents of pages have several, of which the first one is decoded. */
import sharp from 'sharp';

/** Formats that may hold several images, by bytes at an offset; a PNG says so in a chunk of its own. */
const magics: readonly { readonly magic: string; readonly at: number }[] = [
  { magic: 'GIF8', at: 0 },
  { magic: 'WEBP', at: 8 },
  { magic: 'ftyp', at: 4 },
  { magic: 'II*\u0000', at: 0 },
  { magic: 'MM\u0000*', at: 0 },
];

const PNG_SIGNATURE = '\u0089PNG\r\n\u001a\n';
/** Length, type and checksum of a PNG chunk. */
const PNG_FRAME_BYTES = 12;

/** Frames that the chunk `acTL` of a PNG names; the decoder knows nothing of it. It stands before the pixels. */
const pngFrames = (bytes: Buffer): number => {
  let at = PNG_SIGNATURE.length;
  while (at + PNG_FRAME_BYTES <= bytes.length) {
    const type = bytes.toString('latin1', at + 4, at + 8);
    if (type === 'acTL') return at + 12 <= bytes.length ? bytes.readUInt32BE(at + 8) : 1;
    if (type === 'IDAT' || type === 'IEND') return 1;
    at += PNG_FRAME_BYTES + bytes.readUInt32BE(at);
  }
  return 1;
};

/** Frames or pages of an encoded image, at least 1; 1 for bytes that can't be read. */
export const frameCount = async (encoded: Uint8Array): Promise<number> => {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  if (bytes.toString('latin1', 0, PNG_SIGNATURE.length) === PNG_SIGNATURE)
    return Math.max(1, pngFrames(bytes));
  if (!magics.some(({ magic, at }) => bytes.toString('latin1', at, at + magic.length) === magic)) return 1;
  const metadata = await sharp(bytes)
    .metadata()
    .catch(() => undefined);
  return Math.max(1, metadata?.pages ?? 1);
};
