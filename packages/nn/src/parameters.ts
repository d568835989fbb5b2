/**
 * Named trainable tensors.
 *
 * A model describes its parameters as plain records (shape, start values, role) before anything is allocated; the
 * description alone serves the accounting. A {@link ParameterSet} holds the tfjs variables of one description.
 */
import { ConfigError, requireMemory, ShapeError, StateError, unknownName, type Random } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { initialValues, type Initializer } from './initializers.ts';
import { nearNames, selectSpecs, type ParameterSelection } from './parameter-rules.ts';
import type { ParameterRole, ParameterSpec } from './parameter-spec.ts';

/** One allocated parameter. The variable belongs to its set. */
export interface ParameterEntry {
  readonly name: string;
  readonly spec: ParameterSpec;
  readonly variable: tf.Variable;
}

/** A variable that somebody else made: tfjs's own, or one of a `tf.layers` layer (`model.trainableWeights`). */
export type ForeignVariable = tf.Variable | tf.LayerVariable;

/** Who owns the variables of a set. @default the set itself */
export interface ParameterSetOptions {
  /** Whether others than sets own them. @default false */
  readonly borrowed?: boolean;
  /** Sets that own them: this one is a view. @default none */
  readonly owners?: readonly ParameterSet[];
}

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

/**
 * The allocated parameters of one model. Owns its variables: `dispose` frees them. (Sets made by `of`, `select` and
 * `join` borrow them.)
 *
 * The names here are the parameters' own; the variables' tfjs names are unique in the process but otherwise
 * meaningless, so that two models of the same description live side by side. Take gradients with
 * {@link parameterGradients}, which keys them by parameter name.
 *
 * Parts of a model are views: `select` and `join` give sets that share the variables of others and own none of them. A
 * view lives as long as the sets that it is of.
 */
export class ParameterSet implements Disposable {
  readonly specs: readonly ParameterSpec[];
  /** Number of scalars over all parameters. */
  readonly size: number;
  readonly #entries: ReadonlyMap<string, ParameterEntry>;
  readonly #borrowed: boolean;
  /** Sets whose variables these are; none for a set that owns its variables, or borrows those of others than sets. */
  readonly #owners: readonly ParameterSet[];
  #disposed = false;

  /**
   * Takes over the variables of `entries`, or borrows them. Most callers want {@link allocateParameters} or
   * {@link ParameterSet.of}.
   */
  constructor(
    entries: readonly ParameterEntry[],
    { borrowed = false, owners = [] }: ParameterSetOptions = {},
  ) {
    this.#borrowed = borrowed || owners.length > 0;
    this.#owners = owners;
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

  /**
   * One view of several sets, such as a base and the adapters on it, in their order.
   * @throws ConfigError for no sets, or a name that two of them have
   */
  static join(sets: readonly ParameterSet[]): ParameterSet {
    if (sets.length === 0) {
      throw new ConfigError('ParameterSet.join: expected at least one set, got none; give the sets to join');
    }
    return new ParameterSet(
      sets.flatMap((set) => set.entries()),
      { owners: [...sets] },
    );
  }

  /**
   * A view of some of the parameters, in the order of this set.
   * @param selection names or patterns (`blocks.*.ffn.*`), a rule of names and roles, or a predicate
   * @throws ConfigError for a name or pattern that fits none, and for a selection of none
   */
  select(selection: ParameterSelection): ParameterSet {
    const selected = new Set(selectSpecs(this.specs, selection, 'parameters.select').map(({ name }) => name));
    return new ParameterSet(
      this.entries().filter(({ name }) => selected.has(name)),
      { owners: [this] },
    );
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

  #isDisposed(): boolean {
    return this.#disposed || this.#owners.some((owner) => owner.#isDisposed());
  }

  #live(): void {
    if (this.#isDisposed()) {
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

/**
 * Copies the values of one set into those of another that have the same names, as buffers of their own.
 * @returns how many were copied
 * @throws ShapeError for a parameter of another shape
 */
export const copyParameters = (from: ParameterSet, to: ParameterSet): number => {
  const shared = to.entries().filter(({ name }) => from.has(name));
  for (const { name, variable } of shared) {
    const source = from.get(name);
    if (source.shape.join() !== variable.shape.join()) {
      throw new ShapeError(
        `copyParameters: expected "${name}" of shape [${variable.shape.join(', ')}], got [${source.shape.join(', ')}]; give sets of one configuration`,
        { fields: { name, expected: variable.shape, got: source.shape } },
      );
    }
    // `assign` alone shares the source's buffer, which engines may update in place.
    const copy = tf.mul(source, 1);
    variable.assign(copy);
    copy.dispose();
  }
  return shared.length;
};
