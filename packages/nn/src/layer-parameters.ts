/**
 * Parameters that a layer of `tf.layers` trains. tfjs looks for the variables of a layer in its own lists: a set that a
 * layer merely holds is trained by nobody, and nothing says so.
 */
import type { Random } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { initialValues } from './initializers.ts';
import type { ParameterSpec } from './parameter-spec.ts';
import { ParameterSet } from './parameters.ts';

/**
 * Allocates parameters as weights of a layer: `fit` trains them, `getWeights`, `save` and `trainable` know them, and the
 * layer frees them. Call it in the layer's `build`. Start values are those that `allocateParameters` would give.
 * @returns the same variables as a set, under the names of the specs; borrowed from the layer
 * @throws ConfigError for a name given twice; ShapeError for an extent that isn't a positive integer
 */
export const layerParameters = (
  layer: tf.layers.Layer,
  specs: readonly ParameterSpec[],
  random: Random,
): ParameterSet => {
  const weights = specs.map((spec) => {
    const values = initialValues(spec.shape, spec.initializer, random.fork(spec.name));
    const start = tf.tensor(values, [...spec.shape], 'float32');
    const weight = new tf.LayerVariable(start, 'float32', `${layer.name}/${spec.name}`, true);
    start.dispose();
    return weight;
  });
  layer.trainableWeights = [...layer.trainableWeights, ...weights];
  const entries = specs.map((spec, at) => ({
    name: spec.name,
    spec: Object.freeze({ ...spec }),
    variable: (weights[at] as tf.LayerVariable).read() as tf.Variable,
  }));
  return new ParameterSet(entries, { borrowed: true });
};
