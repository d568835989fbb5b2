/** Sizes of multimodal samples before their suite is known: as many tokens as a row of text has. */
import type { SampleSize, SizeInput } from '../family.ts';

export const sizeOfInputs = (_: unknown, { textLength, patches, imageValues }: SizeInput): SampleSize => ({
  positions: 1 + textLength + patches,
  values: imageValues,
});
