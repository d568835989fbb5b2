/**
 * Linear heads over features beside similarities, as Uni-Perceiver's prompt tuning has them for classes:
 *   logits = mix * similarity + W f + b,
 * f the projected hidden state before it is brought to unit length. W and b begin at 0 and mix at 1: at the similarities.
 *
 * N queries · C candidates · K classes · D width
 */
import type { ParameterSet, ParameterSpec } from '@polygate/nn';
import type { TaskTargets, TrainedTask } from '@polygate/tasks';
import { embedding, exactLinear, linear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';

const nameOf = (task: string, part: 'weight' | 'bias' | 'mix'): string => `adapter.heads.${task}.${part}`;

/** The parameters of a task's head. */
export const headSpecs = ({ name, classes = [] }: TrainedTask, width: number): readonly ParameterSpec[] => [
  {
    name: nameOf(name, 'weight'),
    shape: [classes.length, width],
    initializer: { kind: 'zeros' },
    role: 'weight',
  },
  { name: nameOf(name, 'bias'), shape: [classes.length], initializer: { kind: 'zeros' }, role: 'bias' },
  { name: nameOf(name, 'mix'), shape: [], initializer: { kind: 'ones' }, role: 'scale' },
];

/** Classes of candidates by their places among `classes`; undefined where one of them is none of these. */
export const classColumns = (
  { name, classes = [] }: TrainedTask,
  { names, ids, key }: Pick<TaskTargets, 'names' | 'ids' | 'key'>,
): Int32Array | undefined => {
  // Sampled candidates go without names; their set is that of the task.
  const columns = names
    ? Int32Array.from(ids, (id) => classes.indexOf(names[id] ?? ''))
    : key === `classes:${name}`
      ? Int32Array.from(ids)
      : undefined;
  return columns?.every((column) => column >= 0) ? columns : undefined;
};

/** A head for the candidates of a batch. */
export interface ClassHead {
  /**
   * Similarities mixed with the head's logits, [N, C].
   * @param features [N, D] before unit length; borrowed
   * @param similarities [N, C] scaled; borrowed
   */
  mix(features: tf.Tensor2D, similarities: tf.Tensor2D): tf.Tensor2D;
  /** The same in single precision whatever the engine computes in, for answers. */
  mixExactly(features: tf.Tensor2D, similarities: tf.Tensor2D): tf.Tensor2D;
}

const isIdentity = (columns: Int32Array, size: number): boolean =>
  columns.length === size && columns.every((column, i) => column === i);

/** The head of a task for candidates that are classes of it, by their columns. */
export const classHead = (
  parameters: Pick<ParameterSet, 'get'>,
  task: TrainedTask,
  columns: Int32Array,
): ClassHead => {
  const get = (part: 'weight' | 'bias' | 'mix'): tf.Variable => parameters.get(nameOf(task.name, part));
  /** Rows of the head for the candidates: [C, D] and [C]. */
  const rows = (): { readonly weight: tf.Tensor2D; readonly bias: tf.Tensor1D } => {
    const weight = get('weight') as tf.Variable<tf.Rank.R2>;
    const bias = get('bias') as tf.Variable<tf.Rank.R1>;
    if (isIdentity(columns, weight.shape[0])) return { weight, bias };
    const places = tf.tensor1d(columns, 'int32');
    const column = tf.reshape(bias, [-1, 1]) as tf.Tensor2D;
    return {
      weight: embedding(weight, places) as tf.Tensor2D,
      bias: tf.reshape(embedding(column, places), [-1]) as tf.Tensor1D,
    };
  };
  const mixed = (similarities: tf.Tensor2D, logits: tf.Tensor): tf.Tensor2D =>
    tf.add(tf.mul(similarities, get('mix')), logits) as tf.Tensor2D;
  return {
    mix: (features, similarities) =>
      tf.tidy(() => {
        const { weight, bias } = rows();
        return mixed(similarities, linear(features, weight, bias));
      }),
    mixExactly: (features, similarities) =>
      tf.tidy(() => {
        const { weight, bias } = rows();
        return mixed(similarities, tf.add(exactLinear(features, weight), bias));
      }),
  };
};
