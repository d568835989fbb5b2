/**
 * A dense layer of experts for models of `tf.layers`: every token chooses its own. It is a layer like tfjs's: `fit` trains
 * its router and its experts, with the router's losses added to the model's, and `save` and `loadLayersModel` know it.
 */
import { ConfigError, createRandom, type Random } from '@polygate/core';
import { layerParameters, type ParameterSet } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import { moeLinear, type MoeLinear, type MoeLinearConfig } from './moe-linear.ts';

/** Settings of {@link moeDense}: plain values, so that a model of the layer can be saved. */
export interface MoeDenseConfig extends Omit<MoeLinearConfig, 'inputs' | 'outputs' | 'name' | 'condition'> {
  /** Extent of the last axis of the output. */
  readonly units: number;
  /** Name of a condition on tokens. @default 'token' */
  readonly condition?: string;
  /** Seed of the start values and of the noise of training. @default 0 */
  readonly seed?: number;
  /** Name of the layer. @default given by tfjs */
  readonly name?: string;
  /** As in tfjs's layers, where the layer is a model's first. */
  readonly inputShape?: readonly (number | null)[];
}

/** The layer; made by {@link moeDense}. */
export class MoeDense extends tf.layers.Layer {
  static className = 'MoeDense';
  readonly #config: MoeDenseConfig;
  readonly #noise: Random;
  #linear: MoeLinear | undefined;
  #parameters: ParameterSet | undefined;
  #routerLoss: tf.Scalar | undefined;

  constructor(config: MoeDenseConfig) {
    // A saved model brings what every layer of tfjs has beside our settings: tfjs reads its own.
    super(config as object);
    this.#config = config;
    this.#noise = createRandom(config.seed ?? 0).fork('noise');
    // tfjs asks for these after the forward of a training step, on its tape.
    this.addLoss(() => {
      const loss = this.#routerLoss;
      this.#routerLoss = undefined;
      return loss && !loss.isDisposed ? loss : tf.scalar(0);
    });
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = (Array.isArray(inputShape[0]) ? inputShape[0] : inputShape) as tf.Shape;
    const inputs = shape.at(-1);
    if (typeof inputs !== 'number') {
      throw new ConfigError(
        `MoeDense: expected an input whose last axis is known, got [${shape.join(', ')}]; give the layer before it a size`,
      );
    }
    const { units, seed = 0, ...settings } = this.#config;
    const linear = moeLinear({ ...settings, inputs, outputs: units, name: 'moe' });
    if (linear.condition.dataIndependent) {
      throw new ConfigError(
        `MoeDense: expected a condition on tokens, got "${linear.condition.name}", which decides for rows that a tf.layers model has no input for; take moeLinear for it`,
        { fields: { condition: linear.condition.name } },
      );
    }
    this.#linear = linear;
    this.#parameters = layerParameters(this, linear.specs, createRandom(seed));
    this.built = true;
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return [...inputShape.slice(0, -1), this.#config.units];
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: { readonly training?: boolean }): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0] : inputs;
    const linear = this.#linear;
    const parameters = this.#parameters;
    if (!x || !linear || !parameters) throw new ConfigError('MoeDense: expected one input, got none');
    const training = kwargs.training === true;
    // What has more axes is a sequence in the first and last of them; what has two is one token a sample.
    const tokens = x.rank > 3 ? tf.reshape(x, [x.shape[0], -1, x.shape.at(-1) ?? 0]) : x;
    const { output, loss } = linear.apply(tokens, { parameters, training, random: this.#noise });
    this.#routerLoss = training ? loss : undefined;
    return x.rank > 3 ? tf.reshape(output, [...x.shape.slice(0, -1), this.#config.units]) : output;
  }

  override getConfig(): tf.serialization.ConfigDict {
    const fields = { ...this.#config } as object as tf.serialization.ConfigDict;
    return { ...fields, ...super.getConfig() };
  }
}

/**
 * A `tf.layers` layer of experts; the first use makes it known to `loadLayersModel`.
 * @throws ConfigError when the model is built, for a condition that does not look at tokens or an impossible choice
 */
export const moeDense = (config: MoeDenseConfig): MoeDense => {
  tf.serialization.registerClass(MoeDense);
  return new MoeDense(config);
};
