/**
 * The training loop: one task a step, forward, backward, clip, update; metrics, validation and checkpoints on the way.
 *
 * All that happens in step s is a pure function of the seed, s, the weights and moments, and the cursors of the
 * sources. Those are what a checkpoint holds, so a run that was killed and resumed gives the same losses and weights as
 * one that never was, bit for bit on an engine that computes deterministically.
 */
import {
  aloneCommunicator,
  ConfigError,
  createRandom,
  errorAt,
  PolygateError,
  requireFit,
  rules,
  silentLogger,
  silentProgress,
  StateError,
  type MetricRecord,
} from '@polygate/core';
import { jsonlMetricSink, writeError } from '@polygate/core/node';
import { createMixture } from '@polygate/stream';
import { canRecord } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { join } from 'node:path';
import { createBatchQueue, type StepBatches } from './batch-queue.ts';
import { searchBest } from './best-score.ts';
import { BASED_STATE_VERSION, type CheckpointPlace, type RunState } from './checkpoint-state.ts';
import { checkpointFolder, writeCheckpoint } from './checkpoint.ts';
import { METRICS_FILE, syncMetrics } from './metrics-file.ts';
import {
  countExchange,
  rankBatches,
  reduceUpdate,
  rehearseParts,
  requireAgreement,
  requireWeights,
  valuesOfFirst,
} from './ranks.ts';
import { dataOf, follow, freshState, restore, type Beginning } from './resume.ts';
import type { BatchMeasure, StepReport, TrainCallback, TrainOptions, TrainResult } from './run-options.ts';
import { lockRun } from './run-lock.ts';
import { StepReplays } from './step-replays.ts';
import { unlessAborted } from './stop-signal.ts';
import { createThroughput } from './throughput.ts';
import { accumulateGradients, type UpdateGradients, type UpdateInput } from './update.ts';

const BYTES_PER_MB = 1_000_000;

const wholeFrom = (lowest: number, settings: Readonly<Record<string, number | undefined>>): void => {
  for (const [name, value] of Object.entries(settings)) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < lowest)) {
      throw new ConfigError(
        `train: expected ${name} to be a whole number of at least ${lowest}, got ${value}`,
        {
          fields: { [name]: value },
        },
      );
    }
  }
};

const sumMeasures = <Batch>(
  batches: readonly Batch[],
  measure: ((batch: Batch) => BatchMeasure) | undefined,
): { readonly samples: number; readonly tokens: number } => {
  let samples = 0;
  let tokens = 0;
  for (const batch of batches) {
    const { samples: s, tokens: t = 0 } = measure?.(batch) ?? { samples: 1 };
    samples += s;
    tokens += t;
  }
  return { samples, tokens };
};

const LOSS_NOT_FINITE = 'loss-not-finite';
/** Codes of errors that say of a step's numbers that they are not finite. */
const NOT_FINITE: ReadonlySet<string> = new Set(['gradient-not-finite', 'logits-not-finite']);

/** The error of a step whose numbers are not finite: says which, and where to go back to. */
const notFinite = (
  at: { readonly step: number; readonly task: string; readonly checkpoint: CheckpointPlace | undefined },
  problem: string,
  cause?: unknown,
): StateError => {
  const back = at.checkpoint
    ? `the last good checkpoint is ${at.checkpoint.path}`
    : 'there is no checkpoint yet';
  return new StateError(
    `train: step ${at.step} (task "${at.task}"): ${problem}; the update was not made and ${back}: resume with a lower learning rate, harder clipping or without the offending data`,
    {
      code: LOSS_NOT_FINITE,
      fields: { step: at.step, task: at.task, lastCheckpoint: at.checkpoint?.path },
      ...(cause === undefined ? {} : { cause }),
    },
  );
};

/** {@link notFinite} for an error that says so of a step's numbers; any other of ours with the step and its task. */
const stepError = (at: Parameters<typeof notFinite>[0], cause: unknown): unknown => {
  const code = cause instanceof PolygateError ? cause.code : '';
  // What another rank did says for itself where it was.
  if (code === LOSS_NOT_FINITE || code === 'rank-failed') return cause;
  return NOT_FINITE.has(code)
    ? notFinite(at, (cause as PolygateError).message, cause)
    : errorAt(cause, `train: step ${at.step} (task "${at.task}")`);
};

/** Where the run begins: of many ranks, the first one tidies the folder and the others read what it left. */
const beginning = async <Batch>(options: TrainOptions<Batch>): Promise<Beginning> => {
  const { communicator = aloneCommunicator, facts } = options.ranks ?? {};
  if (communicator.size === 1) return restore(options);
  if (communicator.rank > 0) await communicator.barrier();
  const restored = await (communicator.rank === 0 ? restore(options) : follow(options));
  if (communicator.rank === 0) await communicator.barrier();
  const { parameters, steps, seed, accumulate = 1, sources } = options;
  await requireAgreement(communicator, {
    ...facts,
    ...dataOf(sources),
    step: String(restored.state.step),
    steps: String(steps),
    seed: String(seed),
    accumulate: String(accumulate),
    parameters: parameters.specs.map(({ name, shape }) => `${name} ${shape.join('x')}`).join(),
  });
  return restored;
};

/**
 * Trains until `steps` updates are made or the signal aborts, resuming from the run directory's latest checkpoint.
 * Parameters, optimizer and average are borrowed; they hold the trained values afterwards.
 * @throws ConfigError for options that can't be used; StateError for a loss or gradient that isn't finite (code
 * `loss-not-finite`), a run of another seed, a full disk; FormatError for a damaged checkpoint; and what sources,
 * loss, validation and callbacks throw. Checkpoints written before stay good in every case.
 */
export const train = async <Batch>(options: TrainOptions<Batch>): Promise<TrainResult> => {
  const { communicator = aloneCommunicator } = options.ranks ?? {};
  try {
    return await trainRank(options);
  } catch (error) {
    // The others wait for this rank: they end with its reason.
    await communicator.abort(error instanceof Error ? error.message : String(error));
    throw error;
  }
};

const trainRank = async <Batch>(options: TrainOptions<Batch>): Promise<TrainResult> => {
  const { clock = () => performance.now() } = options;
  const counted = options.ranks && countExchange(options.ranks.communicator, clock);
  const ranks = options.ranks && counted && { ...options.ranks, communicator: counted };
  const { communicator = aloneCommunicator } = ranks ?? {};
  const isFirst = communicator.rank === 0;
  requireWeights(communicator, options.weights);
  const { parameters, optimizer, steps, seed, runDirectory, signal, average } = options;
  const { accumulate = 1, checkpointEvery = 1000, keepLast = 3, callbacks = [], validateEvery } = options;
  const { logger = silentLogger, temperature = 2 } = options;
  wholeFrom(1, { steps, accumulate, checkpointEvery, keepLast, validateEvery });
  const mixture = createMixture(options.sources, { seed, temperature, take: accumulate });
  const random = createRandom(seed);
  const metricsPath = join(runDirectory, METRICS_FILE);

  await using ownLock = options.lock || !isFirst ? undefined : await lockRun(runDirectory, 'train');
  const lock = options.lock ?? ownLock;
  const restored = await beginning(options);
  const resumedFrom = restored.state.step;
  let { checkpoint: last } = restored;
  let { samples: allSamples, tokens: allTokens } = restored.state;
  let step = resumedFrom;
  using replays = options.replay && canRecord() ? new StepReplays(options.replay, logger) : undefined;
  if (options.replay && !replays)
    logger.info(`steps are not replayed: engine ${tf.getBackend()} records nothing`);
  const best = options.best && searchBest(options.best, restored.state.best);
  const queue = createBatchQueue(options.sources, restored.state.cursors, {
    mixture,
    accumulate,
    steps,
    step: resumedFrom,
    random,
  });
  const file = jsonlMetricSink(metricsPath);
  let isStopped = false;
  // Without a display, what it would keep goes to the logger: checkpoints and validations.
  const progress = options.progress ?? { ...silentProgress, note: (line: string) => logger.info(line) };
  const throughput = createThroughput(steps, clock);

  const record = async (entry: MetricRecord): Promise<void> => {
    if (!isFirst) return;
    await file.write(entry).catch((cause: unknown) => {
      throw writeError(metricsPath, cause);
    });
    await options.metrics?.write(entry);
  };
  const notify = async (call: (callback: TrainCallback) => Promise<void> | void): Promise<void> => {
    for (const callback of callbacks) await call(callback);
  };
  const save = async (): Promise<CheckpointPlace> => {
    if (last?.step === step) return last;
    if (!isFirst) {
      last = { step, path: checkpointFolder(runDirectory, step) };
      await communicator.barrier();
      return last;
    }
    await syncMetrics(metricsPath);
    const extra = options.extraState?.save();
    if (extra !== undefined) requireFit(rules.json, extra, 'train: extraState.save()');
    const state: RunState = {
      ...freshState(seed),
      step,
      cursors: { ...queue.cursors },
      samples: allSamples,
      tokens: allTokens,
      data: { ...restored.state.data, ...dataOf(options.sources) },
      ...(options.run === undefined ? {} : { run: options.run }),
      ...(options.base ? { version: BASED_STATE_VERSION, base: options.base } : {}),
      ...(best ? { best: best.state } : {}),
      ...(extra === undefined ? {} : { extra }),
    };
    // In a folder that was removed or renamed meanwhile it would be all that there is of the run.
    await lock?.requireHeld();
    const written = await writeCheckpoint(options, state, {
      runDirectory,
      keepLast,
      files: options.files ?? {},
    });
    last = written;
    await communicator.barrier();
    progress.note(`checkpoint ${written.path}`);
    await notify((callback) => callback.onCheckpoint?.(step, written.path));
    return written;
  };

  /** What the parts of this rank are told of the others. */
  const exchangesOf = async ({
    source: { name },
    batches,
    randomsAgain,
  }: StepBatches<Batch>): Promise<Pick<UpdateInput<Batch>, 'exchanges'>> => {
    if (!ranks || communicator.size === 1) return {};
    const told = await rehearseParts({ batches, randoms: randomsAgain() }, ranks, (batch, context) => {
      options.loss(batch, { ...context, step, task: name });
    });
    return { exchanges: told };
  };

  /** One update; false when the signal came while waiting for data. */
  const update = async (): Promise<boolean> => {
    const began = clock();
    counted?.take();
    // Ranks stop together, when they have told each other.
    const taken = await unlessAborted(queue.take(), communicator.size > 1 ? undefined : signal);
    if (!taken) return false;
    const { source, batches } = taken;
    const mine = ranks && communicator.size > 1 ? rankBatches(taken, ranks) : taken;
    const fetched = clock();
    const at = { step: step + 1, task: source.name, checkpoint: last };
    const compute = async (): Promise<UpdateGradients> =>
      accumulateGradients({
        parameters,
        ...mine,
        ...(await exchangesOf(taken)),
        loss: options.loss,
        lossWeight: source.lossWeight ?? 1,
        weights: options.weights,
        step,
        task: source.name,
        replays,
      });
    const own = await compute().catch((cause: unknown) => {
      throw stepError(at, cause);
    });
    const reduced: UpdateGradients & { readonly isStopped?: boolean } =
      communicator.size > 1
        ? await reduceUpdate(communicator, parameters, {
            update: own,
            stop: signal?.aborted === true,
          }).catch((cause: unknown) => {
            throw stepError(at, cause);
          })
        : own;
    isStopped ||= reduced.isStopped === true;
    const { gradients, loss, metrics, records } = reduced;
    const computed = clock();
    const learningRate = options.schedule(step);
    let gradientNorm: number;
    try {
      if (!Number.isFinite(loss)) throw notFinite(at, `expected a finite loss, got ${loss}`);
      const { clipNorm } = options;
      ({ gradientNorm } = await optimizer.step(gradients, {
        learningRate,
        ...(clipNorm ? { clipNorm } : {}),
      }));
    } catch (cause) {
      throw stepError(at, cause);
    } finally {
      tf.dispose(gradients);
    }
    average?.update();
    queue.advance();
    step += 1;
    const optimized = clock();
    const { samples, tokens } = sumMeasures(batches, options.measure);
    allSamples += samples;
    allTokens += tokens;
    const report: StepReport = {
      step,
      task: source.name,
      loss,
      learningRate,
      gradientNorm,
      samples,
      tokens,
      dataMs: fetched - began,
      computeMs: computed - fetched,
      optimizerMs: optimized - computed,
      ...(counted && communicator.size > 1 ? counted.take() : {}),
      tensors: tf.memory().numTensors,
      rssMb: Math.round(process.memoryUsage.rss() / BYTES_PER_MB),
      metrics,
    };
    const { step: made, metrics: more, ...values } = report;
    // Writing waits for the disk, which is also what gives the event loop its turns: between two engine calls that
    // block, signals arrive here and a display can move.
    await record({ step: made, kind: 'train', values: { ...more, ...values } });
    for (const entry of records) await record({ step: made, ...entry });
    progress.update(throughput.add(report));
    await notify((callback) => callback.onStep?.(report, { record }));
    return true;
  };

  /** @returns whether it is the best so far */
  const validate = async (): Promise<boolean> => {
    if (!options.validate) return false;
    const values = await valuesOfFirst(communicator, await options.validate(step));
    if (Object.keys(values).length === 0) return false;
    await record({ step, kind: 'validation', values });
    const shown = Object.entries(values).map(([name, value]) => `${name} ${value.toPrecision(4)}`);
    progress.note(`validation at step ${step}: ${shown.join(', ')}`);
    await notify((callback) => callback.onValidation?.(step, values));
    return best?.take(step, values) ?? false;
  };
  const isOver = (): boolean => step >= steps || best?.isExhausted === true;

  logger.info(
    resumedFrom > 0
      ? `resuming ${runDirectory} after step ${resumedFrom} of ${steps}`
      : `training ${parameters.size} parameters for ${steps} steps into ${runDirectory}`,
  );
  try {
    await notify((callback) => callback.onStart?.(resumedFrom));
    progress.start?.(throughput.start(step));
    const isAsked = (): boolean => (communicator.size > 1 ? isStopped : signal?.aborted === true);
    let stopped = isAsked();
    while (!isOver() && !stopped) {
      stopped = !(await update());
      if (!stopped) {
        let isBest = false;
        if (validateEvery !== undefined && (step % validateEvery === 0 || step === steps)) {
          isBest = await validate();
          throughput.pause();
        }
        if (step % checkpointEvery === 0 || isBest || isOver()) {
          await save();
          throughput.pause();
        }
        stopped = isAsked();
      }
    }
    const { path } = await save();
    if (replays) logger.info(`${replays.replayed} of ${step - resumedFrom} steps were replayed`);
    const status = isOver() ? 'finished' : 'stopped';
    const endedEarly = status === 'finished' && step < steps;
    if (status === 'stopped')
      logger.info(`stopped after step ${step}; the same command resumes from ${path}`);
    const { name = '', value, step: at, stale = 0 } = best?.state ?? {};
    if (endedEarly) {
      logger.info(
        `ended after step ${step} of ${steps}: ${name} has not improved in ${stale} validations; a larger patience goes on`,
      );
    }
    return {
      status,
      step,
      resumedFrom,
      checkpoint: path,
      ...(value === undefined || at === undefined ? {} : { best: { step: at, value } }),
      endedEarly,
      losses: { ...throughput.losses },
    };
  } finally {
    progress.stop();
  }
};
