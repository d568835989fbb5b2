/**
 * Gradients of parameters past the tape, as automatic differentiation elsewhere accumulates those of its leaves.
 *
 * tfjs books every input of a node several times: it clones what is saved, searches the tape for it, and runs a scope for
 * its gradient. A layer of experts has dozens of inputs that are parameters, and nothing comes before a parameter. So
 * while a collection is open, its variables are no inputs of fused operators; what their gradients are, the operators
 * hand over here. A node without another way to the variables gets one small input, the anchor, so that it is found.
 */
import * as tf from '@tensorflow/tfjs';

/** Leaf variables and what was collected for them so far. */
export interface LeafCollection {
  /** Scalar to take the gradient of, beside the variables. */
  readonly anchor: tf.Variable;
  /** What a node gives for the anchor: a zero. */
  anchorGradient(): tf.Tensor;
  /** Whether gradients of this tensor are collected here. */
  has(tensor: tf.Tensor): boolean;
  /** Whether a tensor is a variable that no gradient is asked of: a constant of this tape. */
  isFrozen(tensor: tf.Tensor): boolean;
  /** Whether this tensor depends on a leaf or the anchor. */
  reaches(tensor: tf.Tensor): boolean;
  /** Notes that it does. */
  reached(tensor: tf.Tensor): void;
  /** Takes over a gradient of a leaf and adds it to what there is. */
  add(leaf: tf.Tensor, gradient: tf.Tensor): void;
}

interface OpenCollection extends LeafCollection {
  /** Depth of the tape that it belongs to. */
  readonly depth: number;
}

let open: OpenCollection | undefined;

/** The collection of the tape under way; undefined outside of one and in a tape within it. */
export const openCollection = (): LeafCollection | undefined =>
  open && tf.engine().state.gradientDepth === open.depth ? open : undefined;

/** What a run on the tape gave, and the collected gradients, which belong to the enclosing scope as its result does. */
export interface CollectedGradients<T> {
  readonly result: T;
  readonly gradients: ReadonlyMap<tf.Variable, tf.Tensor>;
}

/** Puts a kept tensor into the enclosing scope, if there is one. */
const release = (tensor: tf.Tensor): void => {
  const scope = tf.engine().state.activeScope as { track: tf.Tensor[]; id: number } | null | undefined;
  tensor.kept = false;
  if (!scope) return;
  tensor.scopeId = scope.id;
  scope.track.push(tensor);
};

/**
 * Runs `run` with a collection open for the trainable ones of `variables`; all other variables are constants of the tape. It takes gradients once, of the variables and
 * of the anchor: a variable's gradient is what the tape says plus what was collected, either of which may be missing.
 */
export const collectLeafGradients = <T>(
  variables: readonly tf.Variable[],
  run: (anchor: tf.Variable) => T,
): CollectedGradients<T> => {
  const leaves = new Set<tf.Tensor>(variables.filter(({ trainable }) => trainable));
  const leafSet = new WeakSet<tf.Tensor>();
  /** Ids of tensors that nodes of the tape made from what reaches a leaf; nodes come in the order of the forward pass. */
  const made = new Set<number>();
  let looked = 0;
  const isKnown = (tensor: tf.Tensor): boolean =>
    leafSet.has(tensor) || leaves.has(tensor) || made.has(tensor.id) || tensor === anchor;
  const lookAtTape = (): void => {
    const tape = tf.engine().state.activeTape ?? [];
    for (; looked < tape.length; looked += 1) {
      const { inputs, outputs } = tape[looked] as (typeof tape)[number];
      if (Object.values(inputs).some(isKnown)) for (const { id } of outputs) made.add(id);
    }
  };
  const gradients = new Map<tf.Variable, tf.Tensor>();
  const zero = tf.scalar(0);
  const anchor = tf.variable(zero);
  zero.dispose();
  const outer = open;
  open = {
    anchor,
    anchorGradient: () => anchor.clone(),
    depth: tf.engine().state.gradientDepth + 1,
    has: (tensor) => leaves.has(tensor),
    isFrozen: (tensor) => tensor instanceof tf.Variable && tensor !== anchor && !leaves.has(tensor),
    reaches: (tensor) => {
      if (isKnown(tensor)) return true;
      lookAtTape();
      return made.has(tensor.id);
    },
    reached: (tensor) => void leafSet.add(tensor),
    add: (leaf, gradient) => {
      const before = gradients.get(leaf as tf.Variable);
      gradients.set(leaf as tf.Variable, tf.keep(before ? tf.add(before, gradient) : gradient));
      before?.dispose();
    },
  };
  try {
    const result = run(anchor);
    gradients.forEach(release);
    return { result, gradients };
  } catch (error) {
    for (const gradient of gradients.values()) gradient.dispose();
    throw error;
  } finally {
    open = outer;
    anchor.dispose();
  }
};
