/**
 * A learned token for each class, in front of its name and behind the prefix: the form of prompt tuning that needs no head.
 * Tokens begin at 0 before the embedding's norm.
 *
 * C candidates · T = 1 + tokens · D width
 */
import { textSegment, type SequenceBatch } from '@polygate/modalities';
import type { ParameterSet, ParameterSpec } from '@polygate/nn';
import type { TrainedTask } from '@polygate/tasks';
import { embedding } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';

/** Array of a segment that says which class each sequence is of. */
const CLASSES = 'classes';

const nameOf = (task: string): string => `adapter.labels.${task}`;

/** The parameter of a task's tokens, [K, D]. */
export const labelSpecs = ({ name, classes = [] }: TrainedTask, width: number): readonly ParameterSpec[] => [
  { name: nameOf(name), shape: [classes.length, width], initializer: { kind: 'zeros' }, role: 'embedding' },
];

/** Class names with room for a token behind the prefix, which a forward of the adapter fills. @param columns [C] class of each */
export const withLabelRoom = (names: SequenceBatch, task: string, columns: Int32Array): SequenceBatch => {
  const { size, length, segments, keyPadding } = names;
  const [first] = segments;
  if (!first) return names;
  const room = textSegment({ ids: new Int32Array(size), length: 1 }, first.row);
  const padding = keyPadding && new Uint8Array(size * (length + 1));
  for (let row = 0; padding && keyPadding && row < size; row += 1) {
    padding.set(keyPadding.subarray(row * length + 1, (row + 1) * length), row * (length + 1) + 2);
  }
  return {
    ...names,
    task,
    length: length + 1,
    segments: [{ ...room, arrays: { ...room.arrays, [CLASSES]: columns } }, ...segments],
    ...(padding ? { keyPadding: padding } : {}),
  };
};

/** Puts the tokens of a batch's classes where there is room for them; undefined where there is none. */
export const fillLabels = (
  parameters: Pick<ParameterSet, 'get'>,
  { segments, task = '' }: SequenceBatch,
): ((x: tf.Tensor3D) => tf.Tensor3D) | undefined => {
  const classes = segments[0]?.arrays[CLASSES];
  if (!classes) return undefined;
  return (x) => {
    const [size, length, width] = x.shape;
    const places = tf.tensor1d(Int32Array.from(classes), 'int32');
    const tokens = tf.reshape(embedding(parameters.get(nameOf(task)) as tf.Variable<tf.Rank.R2>, places), [
      size,
      1,
      width,
    ]);
    const before = tf.slice(x, [0, 0, 0], [size, 1, width]);
    const behind = tf.slice(x, [0, 2, 0], [size, length - 2, width]);
    return tf.concat([before, tokens as tf.Tensor3D, behind], 1);
  };
};
