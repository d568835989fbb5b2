/** Images made small by means of blocks, for comparison pixel by pixel. N images · HWC uint8. */
import type { ImageSet } from './pixel-neighbours.ts';

/** First pixel of each block along a side, and the end. */
const edgesOf = (size: number, blocks: number): number[] =>
  Array.from({ length: blocks + 1 }, (_, i) => Math.floor((i * size) / blocks));

/**
 * Each image as rounded means of blocks that cover it, at most `side` a side; a smaller side stays. The side of the
 * images need not be a multiple of `side`.
 */
export const shrinkImages = (set: ImageSet, side: number): ImageSet => {
  const { height, width, channels, pixels } = set;
  const rows = edgesOf(height, Math.min(side, height));
  const columns = edgesOf(width, Math.min(side, width));
  const [newHeight, newWidth] = [rows.length - 1, columns.length - 1];
  if (newHeight === height && newWidth === width) return set;
  const size = height * width * channels;
  const count = Math.floor(pixels.length / size);
  const out = new Uint8Array(count * newHeight * newWidth * channels);
  let at = 0;
  for (let n = 0; n < count; n += 1) {
    for (let row = 0; row < newHeight; row += 1) {
      for (let column = 0; column < newWidth; column += 1) {
        const [top = 0, bottom = 0] = rows.slice(row, row + 2);
        const [left = 0, right = 0] = columns.slice(column, column + 2);
        const area = (bottom - top) * (right - left);
        for (let c = 0; c < channels; c += 1) {
          let sum = 0;
          for (let y = top; y < bottom; y += 1) {
            for (let x = left; x < right; x += 1)
              sum += pixels[n * size + (y * width + x) * channels + c] as number;
          }
          out[at] = Math.round(sum / area);
          at += 1;
        }
      }
    }
  }
  return { pixels: out, height: newHeight, width: newWidth, channels };
};
