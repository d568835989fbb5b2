/**
 * A gate over any representation: G = top-k(softmax(W_g R(x) + noise)), Uni-Perceiver-MoE, Eq. 3.
 *
 * R rows · W width of the representation · E experts
 *
 * Products, softmax and choice are computed on the host in double precision and come back as float32, whatever the
 * engine and its precision. That reads the representation back, which suits tens or hundreds of rows.
 */
import { ShapeError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import type { GateDecision } from './decision.ts';
import { checkGateRule, gateRows, gateRowsGradient } from './gate-math.ts';
import { gateLogits, gateLogitsGradient } from './gate-product.ts';
import type { GateRule, GateRows } from './gate-math.ts';
import { addNoise, type NoiseOptions } from './noise.ts';

/** Settings of {@link gate}. */
export interface GateOptions extends GateRule, NoiseOptions {
  /** W_g, [E, W] float32, borrowed; gets a gradient. */
  readonly weight: tf.Tensor2D;
}

/**
 * Chooses experts for each row of a representation.
 * @param representation R(x), [R, W] float32, borrowed; gets a gradient
 * @returns gates [R, E], differentiable and owned by the caller (or the enclosing tidy), and the choice as host values
 * @throws ShapeError when the extents don't fit; ConfigError for an impossible rule or missing random stream
 */
export const gate = (representation: tf.Tensor2D, options: GateOptions): GateDecision => {
  const { weight, experts } = options;
  checkGateRule(options);
  const [rows, width] = representation.shape;
  if (weight.shape[0] !== experts || weight.shape[1] !== width) {
    throw new ShapeError(
      `gate: expected a weight of shape [experts, width] = [${experts}, ${width}], got [${weight.shape.join(', ')}]; a gate weight is [out, in]`,
      { fields: { representation: representation.shape, weight: weight.shape } },
    );
  }
  const size = { sites: 1, rows, width, experts };
  const state: { outcome?: GateRows } = {};
  const op = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [x, w] = inputs as [tf.Tensor, tf.Tensor];
    const features = Float64Array.from(x.dataSync<'float32'>());
    const kernel = w.dataSync<'float32'>().slice();
    const logits = gateLogits(features, kernel, size);
    addNoise(logits, experts, options);
    const outcome = gateRows(logits, options);
    state.outcome = outcome;
    const gradFunc = (dy: tf.Tensor): tf.Tensor[] => {
      const toLogits = gateRowsGradient(dy.dataSync<'float32'>(), outcome, options);
      const { toFeatures, toWeight } = gateLogitsGradient(toLogits, { features, weight: kernel }, size);
      return [
        tf.tensor(Float32Array.from(toFeatures), [rows, width], 'float32'),
        tf.tensor(toWeight, [experts, width], 'float32'),
      ];
    };
    return { value: tf.tensor(Float32Array.from(outcome.gates), [rows, experts], 'float32'), gradFunc };
  });
  const gates = op(representation, weight) as tf.Tensor2D;
  const { outcome } = state as { outcome: GateRows };
  return {
    gates,
    chosen: outcome.chosen,
    probabilities: Float32Array.from(outcome.probabilities),
    values: Float32Array.from(outcome.gates),
    experts,
  };
};
