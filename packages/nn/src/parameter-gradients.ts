/**
 * Gradients of a loss by parameter name. Parameters of the model that are not in the set are frozen: they are constants
 * of the tape, and no gradient of them is computed.
 */
import { ConfigError } from '@polygate/core';
import { collectLeafGradients } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { ParameterSet } from './parameters.ts';

/** A loss and the gradients of the parameters that took part in it. The caller disposes of all of them. */
export interface LossGradients {
  readonly loss: tf.Scalar;
  /** By parameter name; a parameter that the loss doesn't reach is absent. */
  readonly gradients: Readonly<Record<string, tf.Tensor>>;
}

/** Frees what tfjs keeps for the backward pass when the forward pass throws; its own cleaning comes after both. */
const clearTape = (): void => {
  const { state } = tf.engine();
  if (state.gradientDepth > 0) return;
  for (const node of state.activeTape ?? []) for (const tensor of node.saved ?? []) tensor.dispose();
  state.activeTape = [];
};

/** The trainable ones of the variables that nodes of the tape have as inputs. */
const readOnTape = (variables: readonly tf.Variable[]): readonly tf.Variable[] => {
  const read = new Set<tf.Tensor>();
  for (const { inputs } of tf.engine().state.activeTape ?? []) {
    for (const name in inputs) read.add(inputs[name] as tf.Tensor);
  }
  return variables.filter((variable) => variable.trainable && read.has(variable));
};

/**
 * Runs `loss` on the tape and returns its value and the gradients by parameter name.
 * @param loss returns a scalar; all other tensors made in it are freed, also when it throws
 */
export const parameterGradients = (parameters: ParameterSet, loss: () => tf.Scalar): LossGradients => {
  const entries = parameters.entries();
  const variables = entries.map(({ variable }) => variable);
  const onTape = new Map<tf.Tensor, tf.Tensor>();
  let made: tf.Scalar | undefined;
  try {
    const { result: value, gradients: collected } = collectLeafGradients(variables, (anchor) => {
      // tfjs looks at these when the forward pass is done, and once for every input of every node.
      const xs: tf.Tensor[] = [anchor];
      const forward = (): tf.Scalar => {
        made = loss();
        xs.push(...readOnTape(variables));
        return made;
      };
      const { value: total, grads } = tf.engine().gradients(forward, xs, undefined, true);
      if (!grads.some(Boolean) || total.rank !== 0) {
        for (const gradient of grads) gradient?.dispose();
        throw new ConfigError(
          `parameterGradients: expected a scalar loss that depends on a parameter, got ${total.rank === 0 ? 'one that depends on none' : `a tensor of shape [${total.shape.join(', ')}]`}`,
        );
      }
      xs.forEach((x, at) => {
        const gradient = grads[at];
        if (x === anchor) gradient?.dispose();
        else if (gradient) onTape.set(x, gradient);
      });
      return total as tf.Scalar;
    });
    const gradients: Record<string, tf.Tensor> = {};
    for (const { name, variable } of entries) {
      const tape = onTape.get(variable);
      const pastIt = collected.get(variable);
      const gradient = tape && pastIt ? tf.add(tape, pastIt) : (tape ?? pastIt);
      if (gradient) gradients[name] = gradient;
      if (tape && pastIt) tf.dispose([tape, pastIt]);
    }
    return { loss: value, gradients };
  } catch (error) {
    made?.dispose();
    clearTape();
    throw error;
  }
};
