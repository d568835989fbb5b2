/**
 * Enlarging of raw images by the separable Lanczos filter, which the image library has for shrinking alone: it enlarges
 * by an interpolation that lies half a result pixel aside. Here pixel centres lie at half positions on both sides.
 * Axis legend: H rows · W columns · C channels, 8 bits.
 */

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
/** The windowed sinc of three lobes, by which the image library shrinks, too. */
const lanczos = (x: number): number => (Math.abs(x) < LOBES ? sinc(x) * sinc(x / LOBES) : 0);

const filterOf = ({ from, to, begin = 0, length = from }: Span): Filter => {
  const scale = length / to;
  const stretch = Math.max(1, scale);
  const starts = new Int32Array(to);
  const weights: Float32Array[] = [];
  for (let i = 0; i < to; i += 1) {
    const centre = begin + (i + 0.5) * scale;
    const start = Math.max(0, Math.ceil(centre - LOBES * stretch - 0.5));
    const end = Math.min(from - 1, Math.floor(centre + LOBES * stretch - 0.5));
    const run = Float32Array.from({ length: end - start + 1 }, (_, k) =>
      lanczos((start + k + 0.5 - centre) / stretch),
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

/** An image without alpha, borrowed: [H, W, C], grey or RGB. */
interface RawImage {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** @default 3 */
  readonly channels?: 1 | 3;
}

/** Grey repeated as red, green and blue; RGB as it is. */
const inColour = (pixels: Uint8Array | Uint8ClampedArray, channels: 1 | 3): Uint8Array => {
  if (channels === 3) return new Uint8Array(pixels);
  const out = new Uint8Array(pixels.length * 3);
  for (const [at, value] of pixels.entries()) out.fill(value, at * 3, at * 3 + 3);
  return out;
};

/**
 * Enlarges an image to a square by the Lanczos filter: `contain` lays the whole of it in the middle, `cover` shows the
 * middle of it. One that fills the square already stays as it is.
 * @returns [size, size, 3], grey repeated
 */
export const enlargeToSquare = (
  { pixels, width, height, channels = 3 }: RawImage,
  { size, fit, background }: Frame,
): Uint8Array => {
  if (width === size && height === size) return inColour(pixels, channels);
  const filtered = (across: Span, down: Span): Uint8Array =>
    inColour(applyFilters(pixels, [filterOf(down), filterOf(across)], { height, width, channels }), channels);
  if (fit === 'cover') {
    const side = Math.min(width, height);
    const middle = (from: number): Span => ({ from, to: size, begin: (from - side) / 2, length: side });
    return filtered(middle(width), middle(height));
  }
  const scale = size / Math.max(width, height);
  const across = Math.max(1, Math.round(width * scale));
  const down = Math.max(1, Math.round(height * scale));
  const inner = filtered({ from: width, to: across }, { from: height, to: down });
  const out = new Uint8Array(size * size * 3);
  for (let at = 0; at < out.length; at += 3) out.set(background, at);
  const left = Math.floor((size - across) / 2);
  const top = Math.floor((size - down) / 2);
  for (let y = 0; y < down; y += 1) {
    out.set(inner.subarray(y * across * 3, (y + 1) * across * 3), ((top + y) * size + left) * 3);
  }
  return out;
};
