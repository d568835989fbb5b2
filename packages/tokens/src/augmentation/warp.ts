/**
 * Affine warps by Pillow's bicubic interpolation of `Image.transform` (a = -1, no antialiasing): where each pixel comes from,
 * and a colour where that lies outside.
 *
 *   from x = a (x + 1/2) + b (y + 1/2) + c          from y = d (x + 1/2) + e (y + 1/2) + f
 */
import type { PixelShape } from './pixel-image.ts';

/** [a, b, c, d, e, f] */
export type AffineMatrix = readonly [number, number, number, number, number, number];

/** Cubic through four values. @param d from the second (0) to the third (1) */
const cubic = (v1: number, v2: number, v3: number, v4: number, d: number): number =>
  v2 + d * (v3 - v1 + d * (2 * (v1 - v2) + v3 - v4 + d * (-v1 + v2 - v3 + v4)));

const clip = (value: number, size: number): number => (value < 0 ? 0 : value >= size ? size - 1 : value);

/**
 * A warped copy. @param fill value of each channel where nothing comes from
 */
export const warp = (
  pixels: Uint8Array,
  { height, width, channels }: PixelShape,
  { matrix, fill }: { readonly matrix: AffineMatrix; readonly fill: readonly number[] },
): Uint8Array => {
  const [a, b, c, d, e, f] = matrix;
  const out = new Uint8Array(pixels.length);
  const stride = width * channels;
  const columns = [0, 0, 0, 0];
  const lines = [0, 0, 0, 0];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * stride + x * channels;
      const fromX = a * (x + 0.5) + b * (y + 0.5) + c;
      const fromY = d * (x + 0.5) + e * (y + 0.5) + f;
      if (fromX < 0 || fromX >= width || fromY < 0 || fromY >= height) {
        for (let channel = 0; channel < channels; channel += 1) out[at + channel] = fill[channel] ?? 0;
        continue;
      }
      const left = Math.floor(fromX - 0.5);
      const top = Math.floor(fromY - 0.5);
      const u = fromX - 0.5 - left;
      const v = fromY - 0.5 - top;
      for (let k = 0; k < 4; k += 1) columns[k] = clip(left - 1 + k, width) * channels;
      for (let channel = 0; channel < channels; channel += 1) {
        for (let k = 0; k < 4; k += 1) {
          const row = top - 1 + k;
          // Past the border Pillow goes on with the line before, beginning with the first that there is.
          if (k > 0 && (row < 0 || row >= height)) lines[k] = lines[k - 1] as number;
          else {
            const line = clip(row, height) * stride + channel;
            lines[k] = cubic(
              pixels[line + (columns[0] as number)] as number,
              pixels[line + (columns[1] as number)] as number,
              pixels[line + (columns[2] as number)] as number,
              pixels[line + (columns[3] as number)] as number,
              u,
            );
          }
        }
        const [v1 = 0, v2 = 0, v3 = 0, v4 = 0] = lines;
        const value = cubic(v1, v2, v3, v4, v);
        out[at + channel] = value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
      }
    }
  }
  return out;
};

/** The matrix of a turn about the middle, counter-clockwise. @param degrees */
export const rotation = (degrees: number, { height, width }: PixelShape): AffineMatrix => {
  const angle = (-degrees * Math.PI) / 180;
  const cosine = Math.cos(angle);
  const sine = Math.sin(angle);
  const centreX = width / 2;
  const centreY = height / 2;
  return [
    cosine,
    sine,
    centreX - cosine * centreX - sine * centreY,
    -sine,
    cosine,
    centreY + sine * centreX - cosine * centreY,
  ];
};
