/**
 * Resizing of small raw images by separable filters. Decoded sets hold tens of thousands of tiny images, for which a
 * call of the image library costs many times the work itself; and the library enlarges by an interpolation that lies
 * half a result pixel aside. Here pixel centres lie at half positions on both sides.
 * Axis legend: H rows · W columns · C channels, 8 bits.
 */

/**
 * `triangle`: linear interpolation where it enlarges, a weighted mean of all covered pixels where it shrinks; no
 * overshoot at edges. `lanczos`: windowed sinc of three lobes, what the image library shrinks by.
 */
type Kernel = 'triangle' | 'lanczos';

/** For each output position: first input position and the weights of the run from there. */
interface Filter {
  readonly starts: Int32Array;
  readonly weights: readonly Float32Array[];
}

interface Span {
  /** Pixels of the input. */
  readonly from: number;
  /** Pixels of the output. */
  readonly to: number;
  /** Part of the input that the output shows, in pixels; may begin and end inside one. @default all */
  readonly begin?: number;
  readonly length?: number;
}

const LOBES = 3;
const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const kernels: Readonly<
  Record<Kernel, { readonly reach: number; readonly weight: (distance: number) => number }>
> = {
  triangle: { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  lanczos: { reach: LOBES, weight: (x) => (Math.abs(x) < LOBES ? sinc(x) * sinc(x / LOBES) : 0) },
};

const filterOf = (kernel: Kernel, { from, to, begin = 0, length = from }: Span): Filter => {
  const { reach, weight } = kernels[kernel];
  const scale = length / to;
  const stretch = Math.max(1, scale);
  const starts = new Int32Array(to);
  const weights: Float32Array[] = [];
  for (let i = 0; i < to; i += 1) {
    const centre = begin + (i + 0.5) * scale;
    const start = Math.max(0, Math.ceil(centre - reach * stretch - 0.5));
    const end = Math.min(from - 1, Math.floor(centre + reach * stretch - 0.5));
    const run = Float32Array.from({ length: end - start + 1 }, (_, k) =>
      weight((start + k + 0.5 - centre) / stretch),
    );
    const sum = run.reduce((total, value) => total + value, 0);
    starts[i] = start;
    weights.push(run.map((value) => value / sum));
  }
  return { starts, weights };
};

/**
 * Filters columns, then rows.
 * @param pixels [H, W, C], borrowed
 * @returns [to rows, to columns, C], clamped to 8 bits
 */
const applyFilters = (
  pixels: Uint8Array,
  [rows, columns]: readonly [Filter, Filter],
  { height, width, channels }: { readonly height: number; readonly width: number; readonly channels: number },
): Uint8ClampedArray => {
  const to = columns.starts.length;
  // [H, to, C]
  const wide = new Float32Array(height * to * channels);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < to; x += 1) {
      const run = columns.weights[x] ?? new Float32Array(0);
      for (let c = 0; c < channels; c += 1) {
        let sum = 0;
        let at = (y * width + (columns.starts[x] ?? 0)) * channels + c;
        for (const weight of run) {
          sum += weight * (pixels[at] ?? 0);
          at += channels;
        }
        wide[(y * to + x) * channels + c] = sum;
      }
    }
  }
  const out = new Uint8ClampedArray(rows.starts.length * to * channels);
  for (let y = 0; y < rows.starts.length; y += 1) {
    const run = rows.weights[y] ?? new Float32Array(0);
    for (let at = 0; at < to * channels; at += 1) {
      let sum = 0;
      let from = (rows.starts[y] ?? 0) * to * channels + at;
      for (const weight of run) {
        sum += weight * (wide[from] ?? 0);
        from += to * channels;
      }
      out[y * to * channels + at] = Math.round(sum);
    }
  }
  return out;
};

/**
 * Resizes a square grey or RGB image by the triangle filter.
 * @param pixels [from, from, C] with C of 1 or 3, borrowed
 * @returns [to, to, 3], grey repeated
 */
export const resizeSquare = (
  pixels: Uint8Array,
  { from, to }: { readonly from: number; readonly to: number },
  channels: 1 | 3,
): Uint8Array => {
  const filter = filterOf('triangle', { from, to });
  const resized = applyFilters(pixels, [filter, filter], { height: from, width: from, channels });
  if (channels === 3) return new Uint8Array(resized.buffer);
  const out = new Uint8Array(to * to * 3);
  for (const [i, value] of resized.entries()) out.fill(value, i * 3, i * 3 + 3);
  return out;
};

/** Whether fitting an image into the square makes it larger; both sides grow by the same factor. */
export const grows = (
  { width, height }: { readonly width: number; readonly height: number },
  { size, fit }: { readonly size: number; readonly fit: 'contain' | 'cover' },
): boolean => (fit === 'contain' ? Math.max(width, height) : Math.min(width, height)) < size;

interface Frame {
  readonly size: number;
  readonly fit: 'contain' | 'cover';
  /** Of what an image does not fill. */
  readonly background: readonly [number, number, number];
}

/**
 * Enlarges an image to a square by the Lanczos filter: `contain` lays the whole of it in the middle, `cover` shows the
 * middle of it.
 * @param image RGB [H, W, 3], borrowed
 * @returns [size, size, 3]
 */
export const enlargeToSquare = (
  image: { readonly pixels: Uint8Array; readonly width: number; readonly height: number },
  { size, fit, background }: Frame,
): Uint8Array => {
  const { pixels, width, height } = image;
  const shape = { height, width, channels: 3 };
  const filters = (across: Span, down: Span): readonly [Filter, Filter] => [
    filterOf('lanczos', down),
    filterOf('lanczos', across),
  ];
  if (fit === 'cover') {
    const side = Math.min(width, height);
    const middle = (from: number): Span => ({ from, to: size, begin: (from - side) / 2, length: side });
    return new Uint8Array(applyFilters(pixels, filters(middle(width), middle(height)), shape).buffer);
  }
  const scale = size / Math.max(width, height);
  const across = Math.max(1, Math.round(width * scale));
  const down = Math.max(1, Math.round(height * scale));
  const inner = applyFilters(pixels, filters({ from: width, to: across }, { from: height, to: down }), shape);
  const out = new Uint8Array(size * size * 3);
  for (let at = 0; at < out.length; at += 3) out.set(background, at);
  const left = Math.floor((size - across) / 2);
  const top = Math.floor((size - down) / 2);
  for (let y = 0; y < down; y += 1) {
    out.set(inner.subarray(y * across * 3, (y + 1) * across * 3), ((top + y) * size + left) * 3);
  }
  return out;
};
