/**
 * The plain pre-norm encoder that the torch cases share with their PyTorch peer (bench/peers/torch_encoder.py).
 * B batch · L tokens · D width · H heads · F hidden. Loss: mean of squares of the output.
 */
import { createRandom } from '@polygate/core';
import {
  AdamW,
  type ParameterSet,
  allocateParameters,
  parameterGradients,
  type ParameterSpec,
} from '@polygate/nn';
import { attention, layerNorm, linear, residual, selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';

export interface EncoderShape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly hidden: number;
  readonly batch: number;
  readonly length: number;
}

/** The encoder of the published tiny size: 12 layers, width 192, 196 patches and one prefix token. */
export const tinyEncoder = (batch: number): EncoderShape => ({
  layers: 12,
  width: 192,
  heads: 3,
  hidden: 768,
  batch,
  length: 197,
});

/**
 * Floating-point operations of a training step in products: forward once, backward twice. A linear from I to O takes
 * 2 B L I O, attention 4 B L^2 D.
 */
export const stepFlops = ({ layers, width, hidden, batch, length }: EncoderShape): number => {
  const linears = 2 * batch * length * (4 * width * width + 2 * width * hidden);
  const attention = 4 * batch * length * length * width;
  return 3 * layers * (linears + attention);
};

/** Its parameters, in the order in which the peer reads their values. */
export const encoderSpecs = ({ layers, width, hidden }: EncoderShape): ParameterSpec[] =>
  Array.from({ length: layers }, (_, i): ParameterSpec[] => {
    const norm = (name: string): ParameterSpec[] => [
      { name: `${i}.${name}.weight`, shape: [width], initializer: { kind: 'ones' }, role: 'norm' },
      { name: `${i}.${name}.bias`, shape: [width], initializer: { kind: 'zeros' }, role: 'norm' },
    ];
    const dense = (name: string, out: number, input: number): ParameterSpec[] => [
      {
        name: `${i}.${name}.weight`,
        shape: [out, input],
        initializer: { kind: 'xavierUniform' },
        role: 'weight',
      },
      { name: `${i}.${name}.bias`, shape: [out], initializer: { kind: 'zeros' }, role: 'bias' },
    ];
    return [
      ...norm('norm1'),
      ...dense('qkv', 3 * width, width),
      ...dense('out', width, width),
      ...norm('norm2'),
      ...dense('fc1', hidden, width),
      ...dense('fc2', width, hidden),
    ];
  }).flat();

export interface EncoderRun {
  readonly parameters: ParameterSet;
  readonly input: tf.Tensor3D;
  /** Input, then every parameter in order, as the peer reads them. */
  values(): Promise<Float32Array>;
  /** The loss of the input, the caller's or the enclosing tidy's. */
  loss(): tf.Scalar;
  /** One forward, backward and AdamW update; returns the loss. */
  step(): Promise<number>;
  dispose(): void;
}

/** Mean of squares of the output for an input of [B, L, D], of any B. */
export const encoderLoss = (
  parameters: ParameterSet,
  { layers, heads }: EncoderShape,
  input: tf.Tensor3D,
): tf.Scalar =>
  tf.tidy(() => {
    const p = (name: string): tf.Variable => parameters.get(name);
    let h: tf.Tensor = input;
    for (let i = 0; i < layers; i += 1) {
      const norm = (name: string): [tf.Tensor1D, tf.Tensor1D] => [
        p(`${i}.${name}.weight`) as tf.Tensor as tf.Tensor1D,
        p(`${i}.${name}.bias`) as tf.Tensor as tf.Tensor1D,
      ];
      const dense = (name: string): [tf.Tensor2D, tf.Tensor1D] => [
        p(`${i}.${name}.weight`) as tf.Tensor as tf.Tensor2D,
        p(`${i}.${name}.bias`) as tf.Tensor as tf.Tensor1D,
      ];
      const qkv = linear(layerNorm(h, ...norm('norm1')), ...dense('qkv'));
      h = residual(h, linear(attention(qkv as tf.Tensor3D, { heads }), ...dense('out')));
      const up = linear(layerNorm(h, ...norm('norm2')), ...dense('fc1'), { activation: 'gelu' });
      h = residual(h, linear(up, ...dense('fc2')));
    }
    return tf.mean(tf.square(h)) as tf.Scalar;
  });

/** Builds the encoder with seeded weights and input on the current engine. */
export const createEncoderRun = (shape: EncoderShape, seed: number, learningRate: number): EncoderRun => {
  const random = createRandom(seed);
  const parameters = allocateParameters(encoderSpecs(shape), random);
  const optimizer = new AdamW(parameters, { learningRate, weightDecay: 0.05 });
  const inputRandom = random.fork('input');
  const data = Float32Array.from(
    { length: shape.batch * shape.length * shape.width },
    () => 2 * inputRandom.next() - 1,
  );
  const input = tf.tensor3d(data, [shape.batch, shape.length, shape.width]);
  const forward = (): tf.Scalar => encoderLoss(parameters, shape, input);
  return {
    parameters,
    input,
    loss: forward,
    async values() {
      const parts = [
        data,
        ...(await Promise.all(parameters.entries().map(({ variable }) => variable.data()))),
      ];
      const all = new Float32Array(parts.reduce((size, part) => size + part.length, 0));
      let offset = 0;
      for (const part of parts) {
        all.set(part as Float32Array, offset);
        offset += part.length;
      }
      return all;
    },
    async step() {
      const { loss, gradients } = parameterGradients(parameters, forward);
      const [value = Number.NaN] = await loss.data();
      await optimizer.step(gradients);
      tf.dispose([loss, ...Object.values(gradients)]);
      return value;
    },
    dispose() {
      optimizer.dispose();
      parameters.dispose();
      input.dispose();
    },
  };
};

/** The precision that the torch engine trains faster in on this processor. */
export const fasterPrecision = async (): Promise<'f32' | 'bf16'> => {
  const { precision } = await selectEngine({ engine: 'torch', precision: 'auto' });
  return precision === 'bf16' ? 'bf16' : 'f32';
};
