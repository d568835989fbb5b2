/** What a tfjs gradient function receives, in the types that the configurations of this folder share. */
import type * as tf from '@tensorflow/tfjs';

/** A gradient configuration whose function takes one output gradient. */
export const gradientConfig = (
  kernelName: string,
  saves: { readonly inputs?: string[]; readonly outputs?: boolean[]; readonly allInputs?: boolean },
  gradient: (
    dy: tf.Tensor[],
    saved: tf.Tensor[],
    attributes: Record<string, unknown>,
  ) => Record<string, () => tf.Tensor>,
): tf.GradConfig => ({
  kernelName,
  ...(saves.inputs ? { inputsToSave: saves.inputs } : {}),
  ...(saves.outputs ? { outputsToSave: saves.outputs } : {}),
  ...(saves.allInputs ? { saveAllInputs: true } : {}),
  gradFunc: (dy, saved, attributes) =>
    gradient(Array.isArray(dy) ? dy : [dy], saved, attributes as Record<string, unknown>),
});
