/**
 * Log-mel spectrograms: power of the Fourier transform under a Hann window, summed in triangles that are equally wide on the
 * mel scale (Slaney's: linear below 1000 Hz) and of equal area, and the logarithm of that.
 *
 * T frames · M bands · N points of the transform
 */

/** How a sound becomes a spectrogram. */
export interface SpectrogramSettings {
  /** Samples a second, to which sounds are brought. */
  readonly rate: number;
  /** M */
  readonly bands: number;
  /** Longest part of a sound that is read, from its beginning. */
  readonly seconds: number;
}

/** Seconds of a window, and from one window to the next. */
const WINDOW = 0.025;
const HOP = 0.01;
/** Keeps the logarithm of silence finite. */
const FLOOR = 1e-6;
/** Slaney's mel scale: linear up to here, in Hz and mel, and logarithmic from there. */
const BREAK = { hertz: 1000, mel: 15, step: Math.log(6.4) / 27 } as const;

const melOf = (hertz: number): number =>
  hertz < BREAK.hertz
    ? (hertz * BREAK.mel) / BREAK.hertz
    : BREAK.mel + Math.log(hertz / BREAK.hertz) / BREAK.step;
const hertzOf = (mel: number): number =>
  mel < BREAK.mel ? (mel * BREAK.hertz) / BREAK.mel : BREAK.hertz * Math.exp((mel - BREAK.mel) * BREAK.step);

/** Weights of the frequencies in each band: [M][N / 2 + 1]. */
const bandWeights = (rate: number, bands: number, points: number): readonly Float64Array[] => {
  const most = melOf(rate / 2);
  const edges = Array.from({ length: bands + 2 }, (_, i) => hertzOf((i * most) / (bands + 1)));
  return Array.from({ length: bands }, (_, band) => {
    const [low = 0, middle = 0, high = 0] = edges.slice(band, band + 3);
    return Float64Array.from({ length: points / 2 + 1 }, (__, i) => {
      const hertz = (i * rate) / points;
      const rise = (hertz - low) / (middle - low);
      const fall = (high - hertz) / (high - middle);
      return (2 / (high - low)) * Math.max(0, Math.min(rise, fall));
    });
  });
};

/** The Fourier transform in place, of a power of two points (Cooley and Tukey). */
const transform = (real: Float64Array, imaginary: Float64Array): void => {
  const points = real.length;
  for (let i = 1, j = 0; i < points; i += 1) {
    let bit = points >> 1;
    for (; (j & bit) !== 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j] ?? 0, real[i] ?? 0];
      [imaginary[i], imaginary[j]] = [imaginary[j] ?? 0, imaginary[i] ?? 0];
    }
  }
  for (let size = 2; size <= points; size *= 2) {
    const half = size / 2;
    for (let k = 0; k < half; k += 1) {
      const angle = (-2 * Math.PI * k) / size;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      for (let at = k; at < points; at += size) {
        const to = at + half;
        const [x, y] = [real[to] ?? 0, imaginary[to] ?? 0];
        const [a, b] = [x * cos - y * sin, x * sin + y * cos];
        real[to] = (real[at] ?? 0) - a;
        imaginary[to] = (imaginary[at] ?? 0) - b;
        real[at] = (real[at] ?? 0) + a;
        imaginary[at] = (imaginary[at] ?? 0) + b;
      }
    }
  }
};

/** A spectrogram with its tables, for sounds of one rate. */
export type Spectrograph = (samples: Float32Array) => Float32Array;

/**
 * Makes spectrograms [T * M] of mono sounds at the rate of the settings; frames lie around every hundredth of a second, the
 * first around the first sample.
 */
export const createSpectrograph = ({ rate, bands, seconds }: SpectrogramSettings): Spectrograph => {
  const [window, hop] = [Math.round(rate * WINDOW), Math.round(rate * HOP)];
  const points = 2 ** Math.ceil(Math.log2(window));
  const weights = bandWeights(rate, bands, points);
  // A periodic window in the middle of the points.
  const offset = Math.floor((points - window) / 2);
  const hann = Float64Array.from(
    { length: window },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / window),
  );
  return (all) => {
    const samples = all.subarray(0, Math.round(rate * seconds));
    const frames = 1 + Math.floor(samples.length / hop);
    const out = new Float32Array(frames * bands);
    const [real, imaginary] = [new Float64Array(points), new Float64Array(points)];
    for (let frame = 0; frame < frames; frame += 1) {
      real.fill(0);
      imaginary.fill(0);
      const start = frame * hop - points / 2 + offset;
      for (let i = 0; i < window; i += 1) real[offset + i] = (hann[i] ?? 0) * (samples[start + i] ?? 0);
      transform(real, imaginary);
      for (let band = 0; band < bands; band += 1) {
        const row = weights[band] as Float64Array;
        let power = 0;
        for (let i = 0; i < row.length; i += 1) {
          const weight = row[i] ?? 0;
          if (weight > 0) power += weight * ((real[i] ?? 0) ** 2 + (imaginary[i] ?? 0) ** 2);
        }
        out[frame * bands + band] = Math.log(power + FLOOR);
      }
    }
    return out;
  };
};
