/**
 * Named trainable tensors.
 *
 * A model describes its parameters as plain records (shape, start values, role) before anything is allocated; the
 * description alone serves the accounting. A {@link ParameterSet} holds the tfjs variables of one description.
 */
import { ConfigError, requireMemory, ShapeError, StateError, unknownName, type Random } from '@polygate/core';
import { collectLeafGradients } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { initialValues, type Initializer } from './initializers.ts';

/** What a parameter is for. The optimizer decays `weight` alone. */
export type ParameterRole = 'weight' | 'bias' | 'norm' | 'embedding' | 'gate' | 'temperature' | 'scale';

/** A parameter before it is allocated. */
export interface ParameterSpec {
  /** Dotted path, unique in its set, e.g. `blocks.0.attention.qkv.weight`. */
  readonly name: string;
  /** Extents; `[]` is a scalar. Linear weights are `[out, in]`. */
  readonly shape: readonly number[];
  readonly initializer: Initializer;
  readonly role: ParameterRole;
}

/** One allocated parameter. The variable belongs to its set. */
export interface ParameterEntry {
  readonly name: string;
  readonly spec: ParameterSpec;
  readonly variable: tf.Variable;
}

/** A variable that somebody else made: tfjs's own, or one of a `tf.layers` layer (`model.trainableWeights`). */
export type ForeignVariable = tf.Variable | tf.LayerVariable;

/** How {@link ParameterSet.of} and `AdamW.of` see variables. */
export interface ForeignOptions {
  /**
   * What a variable is for; only `weight` is decayed.
   * @default `weight` from two axes on, `bias` otherwise (embedding tables are weights then: say `embedding`)
   */
  readonly role?: (variable: tf.Variable) => ParameterRole;
}

const variableOf = (given: ForeignVariable): tf.Variable =>
  'read' in given ? (given.read() as tf.Variable) : given;

const roleByRank = ({ rank }: tf.Variable): ParameterRole => (rank > 1 ? 'weight' : 'bias');

/** Number of scalars of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, extent) => size * extent, 1);

const SHOWN_NAMES = 8;
/** Values of one parameter: what engines count in 32 bits. */
const MAX_PARAMETER_SIZE = 2 ** 31 - 1;

const checkSpecs = (specs: readonly ParameterSpec[]): void => {
  const names = new Set<string>();
  for (const { name, shape } of specs) {
    if (names.has(name)) {
      throw new ConfigError(
        `parameters: expected unique names, got "${name}" twice; give each layer its own prefix`,
      );
    }
    names.add(name);
    if (sizeOf(shape) > MAX_PARAMETER_SIZE) {
      throw new ShapeError(
        `parameters: expected at most ${MAX_PARAMETER_SIZE} values for "${name}", got [${shape.join(', ')}]; correct the model's sizes`,
        { fields: { name, shape } },
      );
    }
    if (shape.some((extent) => !Number.isInteger(extent) || extent < 1)) {
      throw new ShapeError(
        `parameters: expected whole positive extents for "${name}", got [${shape.join(', ')}]; correct the model's sizes`,
        { fields: { name, shape } },
      );
    }
  }
};

/** Names that share the longest beginning with `got`: what a person who mistyped it looks for. */
const nearNames = (got: string, names: readonly string[]): readonly string[] => {
  const shared = (name: string): number => {
    let length = 0;
    while (length < name.length && name[length] === got[length]) length += 1;
    return length;
  };
  return [...names].sort((a, b) => shared(b) - shared(a)).slice(0, SHOWN_NAMES);
};

/**
 * The allocated parameters of one model. Owns its variables: `dispose` frees them. (A set made by `of` borrows them.)
 *
 * The names here are the parameters' own; the variables' tfjs names are unique in the process but otherwise
 * meaningless, so that two models of the same description live side by side. Take gradients with
 * {@link parameterGradients}, which keys them by parameter name.
 */
export class ParameterSet implements Disposable {
  readonly specs: readonly ParameterSpec[];
  /** Number of scalars over all parameters. */
  readonly size: number;
  readonly #entries: ReadonlyMap<string, ParameterEntry>;
  readonly #borrowed: boolean;
  #disposed = false;

  /**
   * Takes over the variables of `entries`, or borrows them. Most callers want {@link allocateParameters} or
   * {@link ParameterSet.of}.
   */
  constructor(
    entries: readonly ParameterEntry[],
    { borrowed = false }: { readonly borrowed?: boolean } = {},
  ) {
    this.#borrowed = borrowed;
    this.specs = Object.freeze(entries.map(({ spec }) => spec));
    checkSpecs(this.specs);
    this.size = this.specs.reduce((size, { shape }) => size + sizeOf(shape), 0);
    this.#entries = new Map(entries.map((entry) => [entry.name, entry]));
  }

  /**
   * A set of variables that a model of another kind owns, such as the `trainableWeights` of a `tf.layers` model that is
   * built: parameters are named as their variables are, and `dispose` leaves the variables alone. Names of `tf.layers`
   * count layers of the process, so a program that resumes builds its model in the same order.
   * @throws ConfigError for no variables, or two of one name
   */
  static of(variables: readonly ForeignVariable[], { role = roleByRank }: ForeignOptions = {}): ParameterSet {
    if (variables.length === 0) {
      throw new ConfigError(
        'ParameterSet.of: expected at least one variable, got none; a tf.layers model has its own when it is built, by an inputShape or its first input',
      );
    }
    const entries = variables.map(variableOf).map((variable) => {
      const { name, shape } = variable;
      const initializer: Initializer = { kind: 'zeros' };
      return { name, spec: Object.freeze({ name, shape, initializer, role: role(variable) }), variable };
    });
    return new ParameterSet(entries, { borrowed: true });
  }

  /** The variable of a name, borrowed. @throws ConfigError for an unknown name; StateError after `dispose` */
  get(name: string): tf.Variable {
    this.#live();
    const entry = this.#entries.get(name);
    if (!entry) throw unknownName('parameter', name, nearNames(name, [...this.#entries.keys()]));
    return entry.variable;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** All parameters in the order of their specs; the variables are borrowed. */
  entries(): readonly ParameterEntry[] {
    this.#live();
    return [...this.#entries.values()];
  }

  /** A copy of a parameter's values, row-major float32. */
  async read(name: string): Promise<Float32Array> {
    return Float32Array.from((await this.get(name).data()) as Float32Array);
  }

  /** Overwrites a parameter with a copy of `values`. @throws ShapeError when the number of values differs */
  write(name: string, values: Float32Array): void {
    const variable = this.get(name);
    if (values.length !== variable.size) {
      throw new ShapeError(
        `parameters: expected ${variable.size} values for "${name}" of shape [${variable.shape.join(', ')}], got ${values.length}`,
        { fields: { name, expected: variable.size, got: values.length } },
      );
    }
    const value = tf.tensor(values.slice(), variable.shape, 'float32');
    try {
      variable.assign(value);
    } finally {
      value.dispose();
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#borrowed) return;
    for (const { variable } of this.#entries.values()) variable.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #live(): void {
    if (this.#disposed) {
      throw new StateError('parameters: expected a live set, got one that was disposed; allocate it anew');
    }
  }
}

/**
 * Allocates parameters on the current engine. Each draws from `random.fork(name)`, so its values depend on the seed
 * and its own name alone: adding, removing or reordering other parameters changes nothing.
 * @throws ConfigError for a name given twice and for weights that the machine's memory does not hold; ShapeError for an
 * extent that isn't a positive integer
 */
export const allocateParameters = (specs: readonly ParameterSpec[], random: Random): ParameterSet => {
  checkSpecs(specs);
  const scalars = specs.reduce((size, { shape }) => size + sizeOf(shape), 0);
  requireMemory(`parameters: weights of ${scalars} values`, {
    bytes: Float32Array.BYTES_PER_ELEMENT * scalars,
    remedy: 'choose smaller sizes, fewer layers or fewer experts',
  });
  return new ParameterSet(
    specs.map((spec) => {
      const values = initialValues(spec.shape, spec.initializer, random.fork(spec.name));
      const start = tf.tensor(values, [...spec.shape], 'float32');
      const variable = tf.variable(start);
      start.dispose();
      return { name: spec.name, spec: Object.freeze({ ...spec }), variable };
    }),
  );
};

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
