/**
 * Steps that are computed from recordings: forward and backward of one task's batch of one layout are one sequence of
 * operators, which the engine runs without the loss function (docs/adr/0021-recorded-steps.md).
 *
 * A step of a layout is computed plainly first, which makes what models keep; then recorded; then computed plainly twice
 * more while the recording is checked: it must take the same values from the host and be of the same operators. What
 * can't be recorded is computed plainly for the rest of the run, with one line that says why.
 */
import { followRandom, StateError, type BatchRandom, type FollowedRandom, type Logger } from '@polygate/core';
import { parameterGradients, type ParameterSet } from '@polygate/nn';
import { recordFunction, type FunctionRecording, type HostValues } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { copyBatch, layoutOf, refillBatch } from './batch-copy.ts';
import type { LossContext, LossResult, ReplayOptions } from './run-options.ts';

/** Steps that check a recording before it is trusted. */
const CHECKS = 2;
/** Layouts that are remembered; the one that was not seen for longest is forgotten first. */
const MOST_LAYOUTS = 128;
/** Recordings of a task that may lapse. */
const MOST_LAPSES = 4;

/** One step of one batch. */
export interface ReplayedStep<Batch> {
  readonly parameters: ParameterSet;
  readonly batch: Batch;
  readonly random: BatchRandom;
  readonly step: number;
  readonly task: string;
  readonly lossWeight: number;
  readonly loss: (batch: Batch, context: LossContext) => LossResult;
}

/** What a step gave; the caller frees all of it. */
export interface StepResults {
  /** Without the loss weight. */
  readonly loss: tf.Scalar;
  readonly metrics: Readonly<Record<string, tf.Scalar>>;
  readonly gradients: Readonly<Record<string, tf.Tensor>>;
}

/** A recorded step with what it looks at: a batch and randomness that are those of the step at work. */
interface Recorded<Batch> {
  readonly recording: FunctionRecording;
  readonly batch: Batch;
  readonly followed: FollowedRandom;
  readonly metrics: readonly string[];
  readonly gradients: readonly string[];
}

interface Layout<Batch> {
  recorded: Recorded<Batch> | undefined;
  checks: number;
}

const whyOf = (error: unknown, code: string): string | undefined =>
  error instanceof StateError && error.code === code ? String(error.fields['why']) : undefined;

const equalValues = (a: readonly HostValues[], b: readonly HostValues[]): boolean =>
  a.length === b.length &&
  a.every((values, at) => {
    const other = b[at] as HostValues;
    return values.length === other.length && values.every((value, i) => Object.is(value, other[i]));
  });

const named = <T extends tf.Tensor>(
  names: readonly string[],
  tensors: readonly tf.Tensor[],
): Readonly<Record<string, T>> => Object.fromEntries(names.map((name, at) => [name, tensors[at] as T]));

const resultsOf = (
  { metrics, gradients }: Pick<Recorded<unknown>, 'metrics' | 'gradients'>,
  [loss, ...others]: readonly tf.Tensor[],
): StepResults => ({
  loss: loss as tf.Scalar,
  metrics: named<tf.Scalar>(metrics, others),
  gradients: named(gradients, others.slice(metrics.length)),
});

/** Recordings of a run's steps. Owns them: `dispose` lets them go. */
export class StepReplays<Batch> implements Disposable {
  readonly #options: ReplayOptions<Batch>;
  readonly #logger: Logger;
  readonly #layouts = new Map<string, Layout<Batch>>();
  /** Tasks that are computed plainly. */
  readonly #plain = new Set<string>();
  readonly #lapses = new Map<string, number>();
  /** Steps that were computed from recordings. */
  replayed = 0;

  constructor(options: ReplayOptions<Batch>, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
  }

  /**
   * Gradients of a step; undefined where it is to be computed plainly.
   * @throws what the loss throws
   */
  compute(step: ReplayedStep<Batch>): StepResults | undefined {
    const { batch, random, task } = step;
    if (this.#plain.has(task)) return undefined;
    const key = this.#options.key(batch, { random, step: step.step, task });
    if (key === undefined) return undefined;
    const name = `${task} ${key} ${layoutOf(batch)}`;
    const layout = this.#layouts.get(name);
    this.#layouts.delete(name);
    this.#layouts.set(name, layout ?? { recorded: undefined, checks: 0 });
    if (!layout) {
      this.#forgetOldest();
      return undefined;
    }
    const { recorded } = layout;
    if (!recorded) return this.#recordFirst(layout, step);
    refillBatch(recorded.batch, batch);
    recorded.followed.moveTo(random);
    if (layout.checks < CHECKS) return this.#check(layout, step);
    try {
      const results = recorded.recording.run();
      this.replayed += 1;
      return resultsOf(recorded, results);
    } catch (error) {
      const why = whyOf(error, 'recording-lapsed');
      if (why === undefined) throw error;
      this.#drop(name);
      const lapses = (this.#lapses.get(task) ?? 0) + 1;
      this.#lapses.set(task, lapses);
      if (lapses >= MOST_LAPSES) this.#refuse(task, why);
      return undefined;
    }
  }

  dispose(): void {
    for (const name of [...this.#layouts.keys()]) this.#drop(name);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #drop(name: string): void {
    this.#layouts.get(name)?.recorded?.recording.dispose();
    this.#layouts.delete(name);
  }

  #forgetOldest(): void {
    const [oldest] = this.#layouts.keys();
    if (oldest !== undefined && this.#layouts.size > MOST_LAYOUTS) this.#drop(oldest);
  }

  #refuse(task: string, why: string): void {
    this.#plain.add(task);
    this.#logger.info(`task ${task}: its steps are not replayed: ${why}`);
  }

  /** Computes a step and records it. */
  #record(
    step: ReplayedStep<Batch>,
  ): { readonly results: StepResults; readonly made?: Recorded<Batch> } | undefined {
    const { parameters, lossWeight, task } = step;
    const batch = copyBatch(step.batch);
    const followed = followRandom(step.random);
    const order: { metrics: string[]; gradients: string[] } = { metrics: [], gradients: [] };
    let why: string | undefined;
    const compute = (): readonly tf.Tensor[] => {
      const metrics: tf.Scalar[] = [];
      let loss: tf.Scalar | undefined;
      const { loss: scaled, gradients } = parameterGradients(parameters, () => {
        const result = step.loss(batch, { random: followed.random, step: step.step, task });
        if (result.records && result.records.length > 0) why ??= 'its loss gives records';
        for (const [name, metric] of Object.entries(result.metrics ?? {})) {
          if (typeof metric === 'number')
            why ??= `its metric ${name} is a number that the loss function computed`;
          order.metrics.push(name);
          metrics.push(tf.keep(typeof metric === 'number' ? tf.scalar(metric) : metric));
        }
        loss = tf.keep(result.loss);
        return tf.mul(loss, lossWeight) as tf.Scalar;
      });
      scaled.dispose();
      order.gradients.push(...Object.keys(gradients));
      return [loss as tf.Scalar, ...metrics, ...Object.values(gradients)];
    };
    try {
      const { results, recording, refusal } = recordFunction(compute);
      why ??= refusal && whyOf(refusal, 'not-recordable');
      if (!recording || why !== undefined) {
        recording?.dispose();
        this.#refuse(task, why ?? 'the engine gave no reason');
        return { results: resultsOf(order, results) };
      }
      return { results: resultsOf(order, results), made: { recording, batch, followed, ...order } };
    } catch (error) {
      const reason = whyOf(error, 'not-recordable');
      if (reason === undefined) throw error;
      this.#refuse(task, reason);
      return undefined;
    }
  }

  #recordFirst(layout: Layout<Batch>, step: ReplayedStep<Batch>): StepResults | undefined {
    const call = this.#record(step);
    layout.recorded = call?.made;
    return call?.results;
  }

  /** Records a step anew and compares what the earlier recording would have taken and done. */
  #check(layout: Layout<Batch>, step: ReplayedStep<Batch>): StepResults | undefined {
    const { recorded } = layout;
    const call = this.#record(step);
    if (!recorded || !call?.made) return call?.results;
    const { recording, followed } = call.made;
    followed.moveTo(step.random);
    const isSame =
      recording.digest === recorded.recording.digest &&
      equalValues(recording.hostValues(), recorded.recording.hostValues());
    recording.dispose();
    layout.checks += 1;
    if (!isSame) {
      this.#refuse(step.task, 'what it computes hangs on more than the layout of a batch and its values');
    }
    return call.results;
  }
}
