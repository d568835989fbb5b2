/**
 * Images in inks (CMYK) that name no colour profile. Without one nobody knows the paper, and the image library takes
 * a press of its own for it; the plain sum of inks is what other readers take: R = (255 - C)(255 - K) / 255.
 * Axis legend: H rows · W columns.
 */
import sharp, { type Sharp, type SharpOptions } from 'sharp';

/** Frame headers of JPEG: all SOF markers but those of tables and of arithmetic conditioning. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** Whether the frame header of a JPEG announces four components. Walks over the segments, decodes nothing. */
const isFourInkJpeg = (bytes: Uint8Array): boolean => {
  let at = 2;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (isFrame(marker)) return bytes[at + 9] === 4;
    if (marker === 0xda) return false;
    at += 2 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
  }
  return false;
};

const isTiff = (bytes: Uint8Array): boolean =>
  (bytes[0] === 0x49 && bytes[1] === 0x49) || (bytes[0] === 0x4d && bytes[1] === 0x4d);

/** Whether an encoded image is in inks and brings no profile that says which. */
export const isInkOnly = async (bytes: Uint8Array, options: SharpOptions): Promise<boolean> => {
  const candidate = bytes[0] === 0xff && bytes[1] === 0xd8 ? isFourInkJpeg(bytes) : isTiff(bytes);
  if (!candidate) return false;
  const { space, hasProfile, channels } = await sharp(bytes, options).metadata();
  return space === 'cmyk' && channels === 4 && !hasProfile;
};

/**
 * The image upright, in RGB, made no larger than it has to be: `contain` fits it inside the square, `cover` fills it.
 * @param frame undefined for the image at its own size
 * @returns an image of raw RGB that is still to be laid on the background
 */
export const mixInks = async (
  bytes: Uint8Array,
  frame: { readonly size: number; readonly fit: 'contain' | 'cover' } | undefined,
  options: SharpOptions,
): Promise<Sharp> => {
  const upright = sharp(bytes, options).pipelineColourspace('cmyk').autoOrient();
  if (frame) upright.resize(frame.size, frame.size, { fit: frame.fit === 'contain' ? 'inside' : frame.fit });
  // [H, W, 4] inks, 0 for none
  const { data, info } = await upright
    .toColourspace('cmyk')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const pixels = new Uint8Array(info.width * info.height * 3);
  for (let i = 0; i < info.width * info.height; i += 1) {
    const light = 255 - (data[i * 4 + 3] ?? 0);
    for (let c = 0; c < 3; c += 1) {
      pixels[i * 3 + c] = Math.round(((255 - (data[i * 4 + c] ?? 0)) * light) / 255);
    }
  }
  return sharp(pixels, { raw: { width: info.width, height: info.height, channels: 3 } });
};
