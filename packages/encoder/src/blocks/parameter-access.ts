/** Parameters by name with the rank that their description gives them. Borrowed from the set. */
import type { ParameterSet } from '@polygate/nn';
import type * as tf from '@tensorflow/tfjs';

/** A vector, [D]. */
export const vectorOf = (parameters: ParameterSet, name: string): tf.Tensor1D =>
  parameters.get(name) as tf.Variable<tf.Rank.R1>;

/** A matrix, e.g. a weight [out, in] or a table [entries, D]. */
export const matrixOf = (parameters: ParameterSet, name: string): tf.Tensor2D =>
  parameters.get(name) as tf.Variable<tf.Rank.R2>;
