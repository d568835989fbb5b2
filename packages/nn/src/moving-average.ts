/**
 * Exponential moving average of parameters: average = decay average + (1 - decay) parameter after every update, computed
 * as average + (1 - decay) (parameter - average). The first form rounds two products whose factors don't sum to 1 in
 * float32, and over tens of thousands of updates that is a bias; in the second only a small difference is rounded.
 * The average often evaluates better than the last step; the run itself goes on with the plain parameters.
 */
import { ConfigError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { ParameterSet } from './parameters.ts';

/** Settings of {@link MovingAverage}. */
export interface MovingAverageOptions {
  /** Weight of the past, in [0, 1). @default 0.9999 */
  readonly decay?: number;
}

/** Averages of one parameter set. Owns `averages`, borrows the parameters. */
export class MovingAverage implements Disposable {
  /** The averages under the parameters' own names; save and load them like parameters. */
  readonly averages: ParameterSet;
  readonly #parameters: ParameterSet;
  readonly #decay: number;

  /** Starts from the parameters' present values. @throws ConfigError for a decay out of range */
  constructor(parameters: ParameterSet, options: MovingAverageOptions = {}) {
    const { decay = 0.9999 } = options;
    if (!(decay >= 0 && decay < 1)) {
      throw new ConfigError(`MovingAverage: expected decay in [0, 1), got ${decay}`, { fields: { decay } });
    }
    this.#parameters = parameters;
    this.#decay = decay;
    this.averages = new ParameterSet(
      parameters.entries().map(({ name, spec, variable }) => {
        // A product makes a buffer of its own; a clone would share the one that engines update in place.
        const copy = variable.mul(1);
        const average = tf.variable(copy, false);
        copy.dispose();
        return { name, spec, variable: average };
      }),
    );
  }

  /** Takes in the parameters as they are now. Call it once after each update. */
  update(): void {
    for (const { name, variable } of this.averages.entries()) {
      tf.tidy(() => {
        const parameter = this.#parameters.get(name);
        variable.assign(variable.add(parameter.sub(variable).mul(1 - this.#decay)));
      });
    }
  }

  /** Runs `body` with the averages in the parameters' place, then puts the parameters back, also after an error.
   * `body` must not train. */
  async with<T>(body: () => Promise<T> | T): Promise<T> {
    const kept = this.#parameters
      .entries()
      .map(({ name, variable }) => ({ variable, value: variable.clone(), name }));
    try {
      for (const { name, variable } of kept) variable.assign(this.averages.get(name));
      return await body();
    } finally {
      for (const { variable, value } of kept) {
        variable.assign(value);
        value.dispose();
      }
    }
  }

  dispose(): void {
    this.averages.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
