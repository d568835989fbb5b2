/** Parts of made-up rows. */
import type { SyntheticOptions } from './dataset-kind.ts';

/** Words of a made-up phrase. */
const PHRASE_WORDS = { least: 2, most: 6 } as const;

export const rowIds = ({ rows }: Pick<SyntheticOptions, 'rows'>): string[] =>
  Array.from({ length: rows }, (_, row) => `row-${row}`);

/** Noise of `rows` images with three channels. [rows·size·size·3] */
export const noiseImages = ({
  rows,
  imageSize,
  random,
}: Pick<SyntheticOptions, 'rows' | 'imageSize' | 'random'>): Uint8Array =>
  Uint8Array.from({ length: rows * imageSize * imageSize * 3 }, () => random.integer(256));

/** [rows] */
export const drawnLabels = ({ rows, classes, random }: SyntheticOptions): Int32Array =>
  Int32Array.from({ length: rows }, () => random.integer(classes.length));

/** Token ids of a few drawn words, or of `count`. */
export const drawnPhrase = ({ words, tokenizer, random }: SyntheticOptions, count?: number): number[] => {
  const { least, most } = PHRASE_WORDS;
  const length = count ?? least + random.integer(most - least + 1);
  const phrase = Array.from({ length }, () => words[random.integer(words.length)]).join(' ');
  return Array.from(tokenizer.encode(phrase));
};
