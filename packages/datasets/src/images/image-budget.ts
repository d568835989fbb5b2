/**
 * Memory that decoding an image takes, told from its header before anything is decoded. Measured for 36 megapixels:
 * what comes in passes (interlaced PNG, progressive JPEG) and animations are held whole, with the bytes of their own
 * channels and depth; all else flows through in strips, of which a quarter of the whole is a safe bound. An image
 * that lies on its side is held whole to be turned. Strips are as long as the image is wide, so that of a very wide
 * one they take more than the whole: 3,000,000 x 12 pixels took 1.6 GiB, 100,000 x 900 took 204 MiB.
 */
import sharp, { type SharpOptions } from 'sharp';

/** In pixels. */
interface Sides {
  readonly width: number;
  readonly height: number;
}

/** Bytes of a value of a channel, by the image library's names of depths. */
const DEPTH_BYTES: ReadonlyMap<string, number> = new Map([
  ['uchar', 1],
  ['char', 1],
  ['ushort', 2],
  ['short', 2],
]);
const WIDE_DEPTH_BYTES = 4;
/** Depths whose least and largest number are black and white; of floating-point and signed numbers a file does not say. */
const RANGED_DEPTHS: ReadonlySet<string> = new Set(['uchar', 'ushort']);
/** Formats that are held whole whatever they say. */
const WHOLE: ReadonlySet<string> = new Set(['gif', 'heif', 'svg', 'webp']);
/** Part of the whole that strips take. */
const STRIP_PART = 1 / 4;
/** Images up to this size are not asked further: they take little in any case. */
const SMALL_PIXELS = 2 ** 20;
/** Most bytes of a pixel of the formats that {@link declaredSides} knows: four channels of 16 bits. */
const MAX_PIXEL_BYTES = 8;
/** First EXIF orientation that turns an image by a quarter. */
const FIRST_TURNED = 5;

/** Images beyond this width are counted by rows, too. */
const WIDE = 2 ** 13;
/** Rows of a wide image that its strips hold at once; 760 were measured. */
const STRIP_ROWS = 1024;

/** Sides that the header of a PNG or JPEG declares; undefined for other formats. */
const declaredSides = (bytes: Uint8Array): Sides | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= 24 && view.getUint32(0) === 0x89504e47)
    return { width: view.getUint32(16), height: view.getUint32(20) };
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  for (let at = 2; at + 9 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) at += 1;
    else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc)
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    else at += 2 + view.getUint16(at + 2);
  }
  return undefined;
};

/**
 * What the header says of an image.
 * @returns sides before the image is turned upright, in pixels, the bytes that decoding takes, and the type of its numbers
 * where that is none of 8 or 16 bits
 * @throws what the image library throws for bytes that are no image
 */
export const measureImage = async (
  bytes: Uint8Array,
  options: SharpOptions,
): Promise<Sides & { readonly decoding: number; readonly unread?: string }> => {
  const declared = declaredSides(bytes);
  const pixels = declared ? declared.width * declared.height : Infinity;
  if (declared && pixels <= SMALL_PIXELS && Math.max(declared.width, declared.height) <= WIDE)
    return { ...declared, decoding: pixels * MAX_PIXEL_BYTES };
  const { width, height, channels, depth, isProgressive, format, orientation } = await sharp(
    bytes,
    options,
  ).metadata();
  const pixelBytes = channels * (DEPTH_BYTES.get(depth) ?? WIDE_DEPTH_BYTES);
  const whole = width * height * pixelBytes;
  const turned = (orientation ?? 1) >= FIRST_TURNED;
  const held = isProgressive || WHOLE.has(format) || turned;
  const side = turned ? Math.max(width, height) : width;
  const strips = side > WIDE ? side * pixelBytes * STRIP_ROWS : 0;
  const decoding = Math.max(strips, Math.ceil(held ? whole : whole * STRIP_PART));
  return { width, height, decoding, ...(RANGED_DEPTHS.has(depth) ? {} : { unread: depth }) };
};
