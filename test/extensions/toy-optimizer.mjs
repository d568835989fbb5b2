/**
 * An optimizer of another package: every weight moves by the sign of its averaged gradient (sign momentum), so that the rate
 * alone says how far.
 *
 *   u = momentum u + (1 - momentum) g          p = p - lr (sign(u) + wd p)
 *
 * A recipe asks for it by `extensions: ["./toy-optimizer.mjs"]` and `optimizer: { kind: "toy-sign", momentum: 0.8 }`. Groups of
 * parameters, clipping, counts, and the state in checkpoints are `SlotOptimizer`'s; the record says how one update goes.
 */
import { registerOptimizer, SlotOptimizer } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';

const NAME = 'toy-sign';
/** What is kept of each parameter, of its shape; checkpoints have it under this name. */
const SLOT = 'average';

const settings = z.strictObject({
  learningRate: z.number().min(0).max(1).default(1e-3),
  momentum: z.number().min(0).max(0.999).default(0.9),
  weightDecay: z.number().min(0).max(1).default(0),
});

/** One parameter. `gradScale` clips: it multiplies every gradient. */
const update = ({ variable, gradient, slots, learningRate, weightDecay }, gradScale, momentum) =>
  tf.tidy(() => {
    const average = tf.add(tf.mul(slots[SLOT], momentum), tf.mul(gradient, gradScale * (1 - momentum)));
    slots[SLOT].assign(average);
    const direction = tf.add(tf.sign(average), tf.mul(variable, weightDecay));
    variable.assign(tf.sub(variable, tf.mul(direction, learningRate)));
  });

export const toySign = registerOptimizer({
  name: NAME,
  summary: 'steps of the sign of an averaged gradient',
  settings,
  // Names of the tensors that are kept of each parameter, for estimates of memory.
  slots: () => [SLOT],
  create: (parameters, { learningRate, momentum, weightDecay, groups = [] }) =>
    new SlotOptimizer(
      parameters,
      {
        name: NAME,
        label: NAME,
        slots: [SLOT],
        learningRate,
        weightDecay,
        update: (items, gradScale) => {
          for (const item of items) update(item, gradScale, momentum);
        },
      },
      { groups },
    ),
});
