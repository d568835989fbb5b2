/** Batches that show some of their modalities: what a sample lacks is padding, so every model knows how to go without it. */
import type { TaskBatch } from '@polygate/tasks';

/** Modalities of the inputs of a batch, once each, in their order. */
export const modalitiesOf = ({ inputs }: TaskBatch): readonly string[] => [
  ...new Set(inputs.segments.map(({ modality }) => modality)),
];

/** The batch with the tokens of all other modalities hidden, as of samples that lack them. Targets stay as they are. */
export const showModalities = (batch: TaskBatch, isShown: (modality: string) => boolean): TaskBatch => {
  const { inputs } = batch;
  const { size, length, segments } = inputs;
  const keyPadding = inputs.keyPadding ? Uint8Array.from(inputs.keyPadding) : new Uint8Array(size * length);
  // Position 0 is the prefix token.
  let start = 1;
  for (const segment of segments) {
    if (!isShown(segment.modality)) {
      for (let row = 0; row < size; row += 1) {
        keyPadding.fill(1, row * length + start, row * length + start + segment.length);
      }
    }
    start += segment.length;
  }
  return { ...batch, inputs: { ...inputs, keyPadding } };
};
