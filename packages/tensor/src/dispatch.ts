/**
 * How a fused operator finds its implementation: the kernel that the current engine registered under its name, else
 * the portable composition of tfjs operators. Forward and gradient choose separately, so an engine may bring only one.
 * Gradients of fused operators are written by hand and are not differentiable again.
 */
import * as tf from '@tensorflow/tfjs';
import { openCollection, type LeafCollection } from './leaf-gradients.ts';

/**
 * A forward value and the function from its gradient to the gradients of the inputs, in the inputs' order; undefined for
 * one that {@link wantsGradient} says no of.
 */
export interface Differentiated {
  readonly value: tf.Tensor;
  readonly gradient: (dy: tf.Tensor, saved: readonly tf.Tensor[]) => readonly (tf.Tensor | undefined)[];
}

/** Marks tensors that the gradient needs; outside a gradient tape it keeps nothing. */
export type Save = (tensors: readonly tf.Tensor[]) => void;

/** Whether the engine in use registered a kernel of this name. */
export const hasKernel = (name: string): boolean => tf.getKernel(name, tf.getBackend()) !== undefined;

/** Runs a kernel of the engine in use; always a list of outputs. Inputs are borrowed, outputs belong to the caller. */
export const runKernel = (
  name: string,
  inputs: Readonly<Record<string, tf.Tensor | undefined>>,
  attributes: Readonly<Record<string, unknown>> = {},
): tf.Tensor[] => {
  const given: Record<string, tf.Tensor> = {};
  for (const key in inputs) {
    const tensor = inputs[key];
    if (tensor) given[key] = tensor;
  }
  const out = tf
    .engine()
    .runKernel(name, given, attributes as Parameters<ReturnType<typeof tf.engine>['runKernel']>[2]) as
    tf.Tensor | tf.Tensor[];
  return Array.isArray(out) ? out : [out];
};

/** Whether no gradient of an input is asked for: a frozen variable, or what was made of such alone. */
const isConstant = (collection: LeafCollection, input: tf.Tensor): boolean =>
  collection.isFrozen(input) || !collection.reaches(input);

const isVariable = (tensor: tf.Tensor): boolean => tensor instanceof tf.Variable;

/** Gradients of the inputs that are on the tape; those of leaves go to the collection. */
const handOver = (
  collection: LeafCollection,
  inputs: readonly tf.Tensor[],
  gradients: readonly (tf.Tensor | undefined)[],
): tf.Tensor[] => {
  const onTape: tf.Tensor[] = [];
  inputs.forEach((input, at) => {
    if (collection.has(input)) collection.add(input, present(gradients[at]));
    else if (!isConstant(collection, input)) onTape.push(present(gradients[at]));
  });
  return onTape;
};

/** {@link withGradient} where some inputs are leaves or constants of an open collection: they are no inputs of the node. */
const withLeaves = (
  collection: LeafCollection,
  inputs: readonly tf.Tensor[],
  forward: (save: Save, recorded: boolean) => Differentiated,
): tf.Tensor => {
  const onTape = inputs.filter((input) => !collection.has(input) && !isConstant(collection, input));
  const anchored = onTape.length === 0;
  const operator = tf.customGrad((...received: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const save = received[received.length - 1] as tf.GradSaveFunc;
    let wanted: readonly tf.Tensor[] = [];
    const { value, gradient } = forward((tensors) => {
      wanted = tensors;
      // A variable lives through both directions: only what is made on the way is kept for the second.
      save(tensors.filter((tensor) => !isVariable(tensor)));
    }, true);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] =>
      tf.tidy(() => {
        let at = 0;
        const all = wanted.map((tensor) => (isVariable(tensor) ? tensor : present(saved[at++])));
        const inputGradients = handOver(collection, inputs, gradient(dy, all));
        return anchored ? [...inputGradients, collection.anchorGradient()] : inputGradients;
      });
    return { value, gradFunc };
  });
  return operator(...onTape, ...(anchored ? [collection.anchor] : []));
};

/**
 * Runs `forward` as one node of the gradient tape. `inputs` are the tensors that receive gradients, `forward` may
 * close over others as long as it saves what its gradient needs. Gradients are tensors of their own, none is `dy` or a
 * saved tensor. Intermediate tensors of both directions are released. `recorded` tells `forward` whether a gradient can
 * be asked for at all: what only the gradient needs is not made otherwise.
 */
export const withGradient = (
  inputs: readonly tf.Tensor[],
  forward: (save: Save, recorded: boolean) => Differentiated,
): tf.Tensor => {
  const collection = openCollection();
  if (collection) {
    if (inputs.some((input) => collection.has(input) || collection.reaches(input))) {
      const value = withLeaves(collection, inputs, forward);
      collection.reached(value);
      return value;
    }
    // Nothing that is trained comes before it: a constant of the tape, which keeps nothing for it.
    return tf.tidy(() => forward(() => {}, false).value);
  }
  const recorded = tf.engine().state.gradientDepth > 0;
  const operator = tf.customGrad((...received: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const save = received[received.length - 1] as tf.GradSaveFunc;
    const { value, gradient } = forward((tensors) => save([...tensors]), recorded);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.tidy(() => gradient(dy, saved).map(present)),
    };
  });
  return operator(...inputs);
};

/**
 * Whether a gradient of an input is asked for. Not of a variable that was made with `trainable = false`, and under
 * `collectLeafGradients` not of what depends on none of its variables.
 */
export const wantsGradient = (tensor: tf.Tensor): boolean => {
  const collection = openCollection();
  if (collection) return collection.has(tensor) || !isConstant(collection, tensor);
  return !(tensor instanceof tf.Variable) || tensor.trainable;
};

/** Throws away the `undefined` that an index check adds; for positions that are known to exist. */
export const present = <T>(value: T | undefined): T => {
  if (value === undefined) throw new RangeError('internal: a value that must exist is missing');
  return value;
};
