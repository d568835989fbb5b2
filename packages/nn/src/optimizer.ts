/** What training asks of an optimizer, and what an optimizer record says of itself. */
import type { FileDigest, FileSource } from '@polygate/core/files';
import type * as tf from '@tensorflow/tfjs';
import type { ParameterGroup } from './parameter-groups.ts';
import type { ParameterSet } from './parameters.ts';

/** Settings of one update. */
export interface StepOptions {
  /** Times the rate of a parameter's groups. @default the optimizer's own */
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
export interface ParameterState {
  /** Updates so far. */
  readonly count: number;
  /** Tensors of the parameter's shape by the optimizer's names for them, such as `m` and `v`. */
  readonly slots: Readonly<Record<string, tf.Tensor>>;
}

/** Updates a set of parameters, which it borrows. Owns its state. */
export interface Optimizer extends Disposable {
  /** Name of its record. */
  readonly name: string;
  readonly parameters: ParameterSet;
  /**
   * Updates in place every parameter that has a gradient.
   * @param gradients by parameter name, borrowed; absent names are left alone
   * @throws ConfigError for a name that isn't a parameter, and for a rate or clipping out of range; ShapeError for a gradient of
   * another shape; StateError (code `gradient-not-finite`) for NaN or infinity. In each case nothing was changed.
   */
  step(gradients: Readonly<Record<string, tf.Tensor>>, options?: StepOptions): Promise<StepReport>;
  /** State by parameter name, for those that were ever updated, in the order of the parameters. */
  state(): ReadonlyMap<string, ParameterState>;
  /**
   * Replaces the whole state by copies of `states`; parameters that aren't in it start afresh.
   * @throws ConfigError or ShapeError when it is another model's; nothing was changed then
   */
  restore(states: ReadonlyMap<string, ParameterState>): void;
  /** Writes the state. @throws StateError for a failed write, or (code `weights-not-finite`) for NaN and infinity */
  save(path: string): Promise<FileDigest>;
  /**
   * Replaces the state by a saved one; nothing is changed when it can't be.
   * @throws FormatError for a damaged file; ConfigError, ShapeError for another model's or another optimizer's
   */
  load(source: FileSource): Promise<void>;
  /** Frees the state; the optimizer then is as new. The parameters stay. */
  dispose(): void;
}

/** What every optimizer takes beside its own settings. */
export interface OptimizerOptions {
  /** Parameters with rates or weight decay of their own. @default none */
  readonly groups?: readonly ParameterGroup[];
}
