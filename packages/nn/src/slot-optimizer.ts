/**
 * What optimizers share that keep tensors of each parameter's shape (slots): groups, clipping by the global norm, checks
 * before anything is changed, counts, and the state in files. What is left to each is its update rule.
 *
 * A count is of the updates of one parameter, not of the run. A parameter without a gradient (an expert that no row
 * chose, an embedding no batch used) is left alone, slots and count too, so its first real update is corrected as a first
 * update, however late it comes, and neither decay nor stale momentum moves a parameter that took no part. Slots are
 * allocated at the first gradient.
 */
import { ConfigError, ShapeError, StateError } from '@polygate/core';
import type { FileDigest, FileSource } from '@polygate/core/files';
import { globalNorm } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { loadState, saveState } from './optimizer-files.ts';
import { expectSetting } from './optimizer-settings.ts';
import type { Optimizer, OptimizerOptions, ParameterState, StepOptions, StepReport } from './optimizer.ts';
import { groupSettings, type GroupSettings } from './parameter-groups.ts';
import type { ParameterEntry, ParameterSet } from './parameters.ts';

/** One parameter of an update. */
export interface SlotItem {
  readonly variable: tf.Variable;
  readonly gradient: tf.Tensor;
  /** Written by the rule; zero before the first update. */
  readonly slots: Readonly<Record<string, tf.Variable>>;
  /** Number of this update, from 1. */
  readonly count: number;
  /** Learning rate times the factors of its groups. */
  readonly learningRate: number;
  readonly weightDecay: number;
}

/** How an optimizer updates. */
export interface UpdateRule {
  /** Name of the optimizer's record. */
  readonly name: string;
  /** As errors begin. */
  readonly label: string;
  /** Names of the tensors that are kept of each parameter; no dots. */
  readonly slots: readonly string[];
  /** Rate where a step says none. */
  readonly learningRate: number;
  /** For parameters of role `weight` that no group says otherwise of. */
  readonly weightDecay: number;
  /** Changes variables and slots in place; `gradScale` multiplies every gradient. */
  readonly update: (items: readonly SlotItem[], gradScale: number) => void;
}

interface Kept {
  readonly slots: Readonly<Record<string, tf.Variable>>;
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

const SHOWN_NAMES = 5;

/** An optimizer by its update rule. Owns its slots; borrows the parameters. */
export class SlotOptimizer implements Optimizer {
  readonly name: string;
  readonly parameters: ParameterSet;
  readonly #rule: UpdateRule;
  readonly #entries: ReadonlyMap<string, ParameterEntry>;
  readonly #groups: ReadonlyMap<string, GroupSettings>;
  readonly #kept = new Map<string, Kept>();

  /** @throws ConfigError for a group that selects nothing, or a number of it out of range */
  constructor(parameters: ParameterSet, rule: UpdateRule, { groups = [] }: OptimizerOptions = {}) {
    this.name = rule.name;
    this.parameters = parameters;
    this.#rule = rule;
    this.#entries = new Map(parameters.entries().map((entry) => [entry.name, entry]));
    this.#groups = groupSettings(parameters.specs, groups, rule.weightDecay);
  }

  async step(gradients: Readonly<Record<string, tf.Tensor>>, options: StepOptions = {}): Promise<StepReport> {
    const names = Object.keys(gradients);
    if (names.length === 0) return { gradientNorm: 0, updated: 0 };
    for (const name of names) this.#check(name, gradients[name] as tf.Tensor);
    const { clipNorm = Infinity, learningRate = this.#rule.learningRate } = options;
    expectSetting(this.#rule.label, { learningRate }, 'at least 0');
    if (!(clipNorm > 0)) {
      throw new ConfigError(`${this.#rule.label}: expected clipNorm above 0, got ${clipNorm}`, {
        fields: { clipNorm },
      });
    }
    const gradientNorm = await this.#norm(gradients);
    const gradScale = gradientNorm > clipNorm ? clipNorm / gradientNorm : 1;
    const items = names.map((name): SlotItem => {
      const { slots, count } = this.#keptOf(name);
      const { rate, weightDecay } = this.#groups.get(name) as GroupSettings;
      return {
        variable: this.#entry(name).variable,
        gradient: gradients[name] as tf.Tensor,
        slots,
        count: count + 1,
        learningRate: rate * learningRate,
        weightDecay,
      };
    });
    this.#rule.update(items, gradScale);
    for (const name of names) this.#keptOf(name).count += 1;
    return { gradientNorm, updated: names.length };
  }

  state(): ReadonlyMap<string, ParameterState> {
    const states = new Map<string, ParameterState>();
    for (const name of this.#entries.keys()) {
      const state = this.#kept.get(name);
      if (state) states.set(name, { count: state.count, slots: state.slots });
    }
    return states;
  }

  restore(states: ReadonlyMap<string, ParameterState>): void {
    for (const [name, { slots }] of states) {
      for (const slot of this.#rule.slots) {
        const value = slots[slot];
        if (value) this.#check(name, value);
        else
          throw new ConfigError(
            `${this.#rule.label}: expected ${this.#rule.slots.join(', ')} of "${name}", got ${Object.keys(slots).join(', ') || 'none'}; is it of another optimizer?`,
          );
      }
    }
    this.dispose();
    for (const [name, { count, slots }] of states) {
      const state = this.#keptOf(name);
      for (const slot of this.#rule.slots)
        copyInto(state.slots[slot] as tf.Variable, slots[slot] as tf.Tensor);
      state.count = count;
    }
  }

  save(path: string): Promise<FileDigest> {
    return saveState({ name: this.name, states: this.state() }, path);
  }

  load(source: FileSource): Promise<void> {
    return loadState(this, source, this.#rule.slots);
  }

  dispose(): void {
    for (const { slots } of this.#kept.values()) tf.dispose(Object.values(slots));
    this.#kept.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #entry(name: string): ParameterEntry {
    const entry = this.#entries.get(name);
    if (entry) return entry;
    this.parameters.get(name); // throws, naming the near ones
    throw new StateError(
      `${this.#rule.label}: "${name}" was not among the parameters when the optimizer was made; make a new one`,
    );
  }

  #check(name: string, value: tf.Tensor): void {
    const { variable } = this.#entry(name);
    const fits =
      variable.rank === value.rank && variable.shape.every((extent, axis) => extent === value.shape[axis]);
    if (!fits) {
      throw new ShapeError(
        `${this.#rule.label}: expected a tensor of shape [${variable.shape.join(', ')}] for "${name}", got [${value.shape.join(', ')}]; is it of another model?`,
        { fields: { name, expected: variable.shape, got: value.shape } },
      );
    }
  }

  #keptOf(name: string): Kept {
    const before = this.#kept.get(name);
    if (before) return before;
    const { shape } = this.#entry(name).variable;
    const slots = Object.fromEntries(this.#rule.slots.map((slot) => [slot, zeroVariable(shape)]));
    const state = { slots, count: 0 };
    this.#kept.set(name, state);
    return state;
  }

  async #norm(gradients: Readonly<Record<string, tf.Tensor>>): Promise<number> {
    const norm = globalNorm(Object.values(gradients));
    const [value = NaN] = await norm.data();
    norm.dispose();
    if (Number.isFinite(value)) return value;
    const bad: string[] = [];
    for (const [name, gradient] of Object.entries(gradients)) {
      const gradientNorm = globalNorm([gradient]);
      const [size = NaN] = await gradientNorm.data();
      gradientNorm.dispose();
      if (!Number.isFinite(size)) bad.push(name);
    }
    const shown = bad.slice(0, SHOWN_NAMES).join(', ');
    throw new StateError(
      `${this.#rule.label}: expected finite gradients, got a global norm of ${value}${bad.length > 0 ? ` (${bad.length} not finite: ${shown}${bad.length > SHOWN_NAMES ? ', ...' : ''})` : ''}; no parameter was changed; lower the learning rate or clip harder`,
      { code: 'gradient-not-finite', fields: { norm: value, parameters: bad } },
    );
  }
}
