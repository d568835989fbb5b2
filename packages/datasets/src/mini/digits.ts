/** Handwritten digits in memory: their classes, and what clips are made of. */

/** Class names of the digits. */
export const digitNames: readonly string[] = [
  'zero',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
];

/** Side of a digit, which it keeps in whatever is made of it. */
export type DigitSide = 'train' | 'validation' | 'test';

export interface HandwrittenDigit {
  /** Official side and place in its file, e.g. `train/00012`. */
  readonly id: string;
  readonly side: DigitSide;
  readonly label: number;
  /** [28, 28] bytes, white on black. */
  readonly pixels: Uint8Array;
}
