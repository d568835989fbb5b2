/**
 * Sound at another rate, by a sinc under a Hann window over six zero crossings on each side, and cut at 0.99 of the lower
 * Nyquist frequency: the usual defaults of audio libraries. Outside of the sound is silence.
 */

const CROSSINGS = 6;
const ROLLOFF = 0.99;

const divisorOf = (a: number, b: number): number => (b === 0 ? a : divisorOf(b, a % b));

/** The taps of one phase: where the first lies from the whole place before the output, and their weights. */
interface Phase {
  readonly first: number;
  readonly weights: Float64Array;
}

/** @param fraction of the output behind a sample of the input, 0 to 1 @param cut of the input's rate, below 1 */
const phaseOf = (fraction: number, cut: number): Phase => {
  const reach = CROSSINGS / cut;
  const first = Math.ceil(fraction - reach);
  const last = Math.floor(fraction + reach);
  const weights = Float64Array.from({ length: last - first + 1 }, (_, i) => {
    const t = (first + i - fraction) * cut;
    const window = Math.cos((t * Math.PI) / CROSSINGS / 2) ** 2;
    return cut * window * (t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t));
  });
  return { first, weights };
};

/** @param from @param to samples a second */
export const resample = (samples: Float32Array, from: number, to: number): Float32Array => {
  if (from === to) return samples;
  const divisor = divisorOf(from, to);
  const [step, phases] = [from / divisor, to / divisor];
  const cut = Math.min(1, to / from) * ROLLOFF;
  const table = Array.from({ length: phases }, (_, phase) =>
    phaseOf(((phase * step) % phases) / phases, cut),
  );
  const length = Math.ceil((samples.length * phases) / step);
  return Float32Array.from({ length }, (_, j) => {
    const { first, weights } = table[j % phases] as Phase;
    const start = Math.floor((j * step) / phases) + first;
    let sum = 0;
    for (let i = Math.max(0, -start); i < weights.length && start + i < samples.length; i += 1) {
      sum += (weights[i] ?? 0) * (samples[start + i] ?? 0);
    }
    return sum;
  });
};
