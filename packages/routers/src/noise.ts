/** Exploration noise on gate logits: normal, with a standard deviation of `noise / E` (Uni-Perceiver-MoE 4.2, V-MoE). */
import { ConfigError, type Random } from '@polygate/core';
import { fieldWords, normalField } from './normal-field.ts';

/** When and how a gate is noisy. */
export interface NoiseOptions {
  /** Whether this forward is one of training; noise is drawn in training alone. @default false */
  readonly training?: boolean | undefined;
  /** Standard deviation in units of 1 / E, at least 0. @default 1 */
  readonly noise?: number | undefined;
  /** Needed where noise is drawn; advanced by one normal draw per logit. */
  readonly random?: Random | undefined;
}

/** The same for tokens. */
export interface TokenNoiseOptions extends NoiseOptions {
  /** B samples of equally many tokens: the noise of a sample is its own, whatever others stand beside it. */
  readonly samples: number;
}

/** Standard deviation of the noise of a call, 0 where none is drawn. @throws ConfigError */
const deviation = (experts: number, { training = false, noise = 1, random }: NoiseOptions): number => {
  if (!(noise >= 0 && noise < Infinity)) {
    throw new ConfigError(
      `gate: expected noise of at least 0 (in units of 1/E), got ${noise}; 0 turns it off`,
    );
  }
  if (!training || noise === 0) return 0;
  if (!random) {
    throw new ConfigError(
      'gate: expected a random stream for the training noise, got none; pass random, or noise: 0 to go without',
    );
  }
  return noise / experts;
};

/** Adds one draw to each of the logits of E experts, in place, in row-major order. @throws ConfigError */
export const addNoise = (logits: Float64Array, experts: number, options: NoiseOptions): void => {
  const std = deviation(experts, options);
  const { random } = options;
  if (std === 0 || !random) return;
  for (let i = 0; i < logits.length; i += 1) logits[i] = (logits[i] ?? 0) + std * random.normal();
};

/**
 * What {@link tokenNoise} adds, for engines that draw it themselves: its deviation and four words of a stream for each sample.
 */
export const noiseStream = (
  experts: number,
  options: TokenNoiseOptions,
): { readonly noise: number; readonly words: readonly number[] } => {
  const noise = deviation(experts, options);
  const { random, samples } = options;
  return noise === 0 || !random
    ? { noise: 0, words: [0, 0, 0, 1] }
    : { noise, words: fieldWords(random, samples) };
};

/**
 * {@link addNoise} for very many logits: `random` is advanced by four words, whatever their number.
 * @returns a new array, or `logits` itself where no noise is drawn
 * @throws ConfigError
 */
export const tokenNoise = (
  logits: Float32Array,
  experts: number,
  options: TokenNoiseOptions,
): Float32Array => {
  const std = deviation(experts, options);
  const { random, samples } = options;
  if (std === 0 || !random) return logits;
  const noisy = normalField(logits.length, std, fieldWords(random, samples));
  for (let i = 0; i < noisy.length; i += 1) noisy[i] = (noisy[i] as number) + (logits[i] as number);
  return noisy;
};
