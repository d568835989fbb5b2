/** A known question: operators forward and backward on small values, and what is right, from plain double arithmetic. */
import * as tf from '@tensorflow/tfjs';

/** One result of a question beside the right one. */
export interface Part {
  /** The result in words: `gradient to the filter`. */
  readonly name: string;
  /** What the engine gives; disposed of by who asks. */
  readonly given: tf.Tensor;
  /** What is right, in the same order. */
  readonly right: Float64Array;
}

/** A question that every engine must answer before it is chosen. */
export interface Question {
  /** In the words of a user: `convolution 3x3 of channels-first images`. */
  readonly name: string;
  /** Kernels that go wrong or right together, and that an engine may have another way for: `convolution`. */
  readonly family: string;
  /** tfjs kernels without which an engine cannot be asked: it would refuse, and a refusal misleads nobody. */
  readonly kernels?: readonly string[];
  /** Layout of images; engines name those that they take. @default 'NHWC' */
  readonly layout?: 'NHWC' | 'NCHW';
  /** Computed in float32 in every precision. @default false */
  readonly exact?: boolean;
  /** Largest error that rounding explains, as a multiple of the usual tolerance. @default 1 */
  readonly slack?: number;
  /** Computes on the engine in use, inside a tidy of who asks. */
  readonly ask: () => readonly Part[];
}

/**
 * Leaves numbers that are none in memory that the engine is likely to use for what comes next, as programs do that run for
 * a while: a kernel that adds to memory it did not clear is right in fresh memory only (tfjs-wasm's gradient of a convolution
 * to a volume is one).
 */
const dirtyMemory = (shapes: readonly (readonly number[])[]): void => {
  tf.dispose(shapes.map((shape) => tf.fill([...shape], Number.NaN)));
};

/** Value and gradients of an operator, as parts named after its arguments. */
export const withGradients = (
  operator: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: Readonly<Record<string, tf.Tensor>>,
  {
    dy,
    right,
  }: {
    readonly dy: tf.Tensor;
    readonly right: Readonly<Record<string, Float64Array>> & { readonly result: Float64Array };
  },
): Part[] => {
  const names = Object.keys(inputs);
  dirtyMemory([dy, ...Object.values(inputs)].map(({ shape }) => shape));
  const { value, grads } = tf.valueAndGrads(operator)(Object.values(inputs), dy);
  const parts: Part[] = [{ name: 'result', given: value, right: right.result }];
  names.forEach((name, at) => {
    const answer = right[name];
    const given = grads[at];
    if (answer && given) parts.push({ name: `gradient to ${name}`, given, right: answer });
  });
  return parts;
};
