/**
 * Resizing of small raw pictures by a triangle filter: linear interpolation where it enlarges, a weighted mean of all
 * covered pixels where it shrinks. Decoded sets hold tens of thousands of tiny pictures, for which a call of the image
 * library costs many times the work itself. Departs from the library's Lanczos filter: no overshoot at edges.
 * Axis legend: H rows · W columns · C channels, 8 bits.
 */

/** For each output position: first input position and the weights of the run from there. */
interface Filter {
  readonly starts: Int32Array;
  readonly weights: readonly Float32Array[];
}

const triangleFilter = (from: number, to: number): Filter => {
  const scale = from / to;
  const radius = Math.max(1, scale);
  const starts = new Int32Array(to);
  const weights: Float32Array[] = [];
  for (let i = 0; i < to; i += 1) {
    // Pixel centres lie at half positions on both sides.
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.ceil(centre - radius - 0.5));
    const end = Math.min(from - 1, Math.floor(centre + radius - 0.5));
    const run = Float32Array.from({ length: end - start + 1 }, (_, k) =>
      Math.max(0, 1 - Math.abs(start + k + 0.5 - centre) / radius),
    );
    const sum = run.reduce((total, weight) => total + weight, 0);
    starts[i] = start;
    weights.push(run.map((weight) => weight / sum));
  }
  return { starts, weights };
};

/**
 * Resizes a square grey or RGB picture.
 * @param pixels [from, from, C] with C of 1 or 3, borrowed
 * @returns [to, to, 3], grey repeated
 */
export const resizeSquare = (
  pixels: Uint8Array,
  sides: { readonly from: number; readonly to: number },
  channels: 1 | 3,
): Uint8Array => {
  const { from, to } = sides;
  const { starts, weights } = triangleFilter(from, to);
  // [from, to, C]: columns first, then rows.
  const wide = new Float32Array(from * to * channels);
  for (let y = 0; y < from; y += 1) {
    for (let x = 0; x < to; x += 1) {
      const run = weights[x] ?? new Float32Array(0);
      for (let c = 0; c < channels; c += 1) {
        let sum = 0;
        let at = (y * from + (starts[x] ?? 0)) * channels + c;
        for (const weight of run) {
          sum += weight * (pixels[at] ?? 0);
          at += channels;
        }
        wide[(y * to + x) * channels + c] = sum;
      }
    }
  }
  const out = new Uint8Array(to * to * 3);
  for (let y = 0; y < to; y += 1) {
    const run = weights[y] ?? new Float32Array(0);
    for (let x = 0; x < to; x += 1) {
      for (let c = 0; c < channels; c += 1) {
        let sum = 0;
        let at = ((starts[y] ?? 0) * to + x) * channels + c;
        for (const weight of run) {
          sum += weight * (wide[at] ?? 0);
          at += to * channels;
        }
        const value = Math.round(sum);
        const place = (y * to + x) * 3;
        if (channels === 3) out[place + c] = value;
        else out.fill(value, place, place + 3);
      }
    }
  }
  return out;
};
