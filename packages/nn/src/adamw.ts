/**
 * AdamW: Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2), in float32.
 *
 * For a parameter p with gradient g (already clipped), on its own t-th update:
 *   m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
 *   p = p - lr wd p                      (weights only)
 *   p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
 *
 * Departs from the usual form in one thing: t counts the updates of each parameter, not those of the run. A parameter
 * without a gradient (an expert that no row chose, an embedding no batch used) is left alone, moments and count too,
 * so its first real update has the bias correction of a first update, however late it comes, and neither decay nor
 * stale momentum moves a parameter that took no part. Moments are allocated at the first gradient.
 */
import { ConfigError, ShapeError, StateError } from '@polygate/core';
import { adamWStep, globalNorm } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import {
  ParameterSet,
  type ForeignOptions,
  type ForeignVariable,
  type ParameterEntry,
} from './parameters.ts';

/** Settings of {@link AdamW}. */
export interface AdamWOptions {
  /** Default rate of {@link AdamW.step}. @default 5e-4 */
  readonly learningRate?: number;
  /** Decay of the first moment, in [0, 1). @default 0.9 */
  readonly beta1?: number;
  /** Decay of the second moment, in [0, 1). @default 0.98 */
  readonly beta2?: number;
  /** Added to the root of the second moment, above 0. @default 1e-6 */
  readonly epsilon?: number;
  /** Decoupled decay per unit of learning rate, for parameters of role `weight`. @default 0.05 */
  readonly weightDecay?: number;
}

/** Settings of one update. */
export interface StepOptions {
  /** @default the optimizer's own */
  readonly learningRate?: number;
  /** Largest global norm of the gradients; all are scaled down together when it is exceeded. @default no clipping */
  readonly clipNorm?: number;
}

/** What one update reports. */
export interface StepReport {
  /** Global L2 norm of the gradients before clipping. */
  readonly gradientNorm: number;
  /** Parameters that were updated. */
  readonly updated: number;
}

/** Optimizer state of one parameter. The tensors are borrowed from the optimizer. */
export interface MomentState {
  /** Updates so far. */
  readonly count: number;
  readonly m: tf.Tensor;
  readonly v: tf.Tensor;
}

interface Moments {
  readonly m: tf.Variable;
  readonly v: tf.Variable;
  count: number;
}

const zeroVariable = (shape: readonly number[]): tf.Variable => {
  const zeros = tf.zeros([...shape]);
  const variable = tf.variable(zeros, false);
  zeros.dispose();
  return variable;
};

/** Assigns a buffer of its own: `assign` alone shares the source's, which engines may update in place. */
const copyInto = (variable: tf.Variable, value: tf.Tensor): void => {
  const copy = value.mul(1);
  variable.assign(copy);
  copy.dispose();
};

const within = (name: string, value: number, ok: boolean, range: string): number => {
  if (!ok)
    throw new ConfigError(`AdamW: expected ${name} ${range}, got ${value}`, { fields: { [name]: value } });
  return value;
};

const SHOWN_NAMES = 5;

/** The optimizer of one parameter set. Owns its moments; borrows the parameters. */
export class AdamW implements Disposable {
  readonly #parameters: ParameterSet;
  readonly #entries: ReadonlyMap<string, ParameterEntry>;
  readonly #settings: Required<AdamWOptions>;
  readonly #moments = new Map<string, Moments>();

  /** @throws ConfigError for a setting out of range */
  constructor(parameters: ParameterSet, options: AdamWOptions = {}) {
    const { learningRate = 5e-4, beta1 = 0.9, beta2 = 0.98, epsilon = 1e-6, weightDecay = 0.05 } = options;
    this.#settings = {
      learningRate: within('learningRate', learningRate, learningRate >= 0, 'of at least 0'),
      beta1: within('beta1', beta1, beta1 >= 0 && beta1 < 1, 'in [0, 1)'),
      beta2: within('beta2', beta2, beta2 >= 0 && beta2 < 1, 'in [0, 1)'),
      epsilon: within('epsilon', epsilon, epsilon > 0, 'above 0'),
      weightDecay: within('weightDecay', weightDecay, weightDecay >= 0, 'of at least 0'),
    };
    this.#parameters = parameters;
    this.#entries = new Map(parameters.entries().map((entry) => [entry.name, entry]));
  }

  /**
   * The optimizer of variables that no set of ours holds: of `tf.variable`, or `model.trainableWeights` of a `tf.layers`
   * model. Gradients go by the variables' names, as `tf.variableGrads` gives them.
   * @throws ConfigError for no variables, two of one name, or a setting out of range
   */
  static of(variables: readonly ForeignVariable[], options: AdamWOptions & ForeignOptions = {}): AdamW {
    const { role, ...settings } = options;
    return new AdamW(ParameterSet.of(variables, role ? { role } : {}), settings);
  }

  /**
   * Updates in place every parameter that has a gradient.
   * @param gradients by parameter name, borrowed; absent names are left alone
   * @throws ConfigError for a name that isn't a parameter; ShapeError for a gradient of another shape; StateError
   * (code `gradient-not-finite`) for NaN or infinity. In all three nothing was changed.
   */
  async step(gradients: Readonly<Record<string, tf.Tensor>>, options: StepOptions = {}): Promise<StepReport> {
    const names = Object.keys(gradients);
    if (names.length === 0) return { gradientNorm: 0, updated: 0 };
    for (const name of names) this.#check(name, gradients[name] as tf.Tensor);
    const gradientNorm = await this.#norm(gradients);
    const { clipNorm = Infinity } = options;
    within('clipNorm', clipNorm, clipNorm > 0, 'above 0');
    const gradScale = gradientNorm > clipNorm ? clipNorm / gradientNorm : 1;

    const { learningRate = this.#settings.learningRate } = options;
    const items = names.map((name) => {
      const { variable, spec } = this.#entry(name);
      const { m, v, count } = this.#momentsOf(name);
      const gradient = gradients[name] as tf.Tensor;
      return { variable, gradient, m, v, decay: spec.role === 'weight', step: count + 1 };
    });
    adamWStep(items, { ...this.#settings, learningRate, step: 1, gradScale });
    for (const name of names) this.#momentsOf(name).count += 1;
    return { gradientNorm, updated: names.length };
  }

  /** State by parameter name, for those that were ever updated, in the order of the parameters. */
  state(): ReadonlyMap<string, MomentState> {
    const states = new Map<string, MomentState>();
    for (const name of this.#entries.keys()) {
      const moments = this.#moments.get(name);
      if (moments) states.set(name, { count: moments.count, m: moments.m, v: moments.v });
    }
    return states;
  }

  /**
   * Replaces the whole state by copies of `states`; parameters that aren't in it start afresh.
   * @throws ConfigError or ShapeError when it is another model's; nothing was changed then
   */
  restore(states: ReadonlyMap<string, MomentState>): void {
    for (const [name, { m, v }] of states) {
      this.#check(name, m);
      this.#check(name, v);
    }
    this.dispose();
    for (const [name, { count, m, v }] of states) {
      const moments = this.#momentsOf(name);
      copyInto(moments.m, m);
      copyInto(moments.v, v);
      moments.count = count;
    }
  }

  /** Frees the moments; the optimizer then is as new. The parameters stay. */
  dispose(): void {
    for (const { m, v } of this.#moments.values()) {
      m.dispose();
      v.dispose();
    }
    this.#moments.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #entry(name: string): ParameterEntry {
    const entry = this.#entries.get(name);
    if (entry) return entry;
    this.#parameters.get(name); // throws, naming the near ones
    throw new StateError(
      `AdamW: "${name}" was not among the parameters when the optimizer was made; make a new one`,
    );
  }

  #check(name: string, value: tf.Tensor): void {
    const { variable } = this.#entry(name);
    const fits =
      variable.rank === value.rank && variable.shape.every((extent, axis) => extent === value.shape[axis]);
    if (!fits) {
      throw new ShapeError(
        `AdamW: expected a tensor of shape [${variable.shape.join(', ')}] for "${name}", got [${value.shape.join(', ')}]; is it of another model?`,
        { fields: { name, expected: variable.shape, got: value.shape } },
      );
    }
  }

  #momentsOf(name: string): Moments {
    const known = this.#moments.get(name);
    if (known) return known;
    const { shape } = this.#entry(name).variable;
    const moments = { m: zeroVariable(shape), v: zeroVariable(shape), count: 0 };
    this.#moments.set(name, moments);
    return moments;
  }

  async #norm(gradients: Readonly<Record<string, tf.Tensor>>): Promise<number> {
    const norm = globalNorm(Object.values(gradients));
    const [value = NaN] = await norm.data();
    norm.dispose();
    if (Number.isFinite(value)) return value;
    const bad: string[] = [];
    for (const [name, gradient] of Object.entries(gradients)) {
      const own = globalNorm([gradient]);
      const [size = NaN] = await own.data();
      own.dispose();
      if (!Number.isFinite(size)) bad.push(name);
    }
    const shown = bad.slice(0, SHOWN_NAMES).join(', ');
    throw new StateError(
      `AdamW: expected finite gradients, got a global norm of ${value}${bad.length > 0 ? ` (${bad.length} not finite: ${shown}${bad.length > SHOWN_NAMES ? ', ...' : ''})` : ''}; no parameter was changed; lower the learning rate or clip harder`,
      { code: 'gradient-not-finite', fields: { norm: value, parameters: bad } },
    );
  }
}
