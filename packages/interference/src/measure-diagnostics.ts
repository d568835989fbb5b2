/**
 * The diagnostics of SM^4 (appendix) of one model on given batches: how far gradients of modalities and of tasks agree in the
 * last block, what one step on a task does to the others, and how each modality fits, generalises and is missed.
 *
 * T tasks · M modalities of a task
 */
import { ConfigError, StateError } from '@polygate/core';
import type { Generalist } from '@polygate/generalist';
import type { TaskBatch } from '@polygate/tasks';
import { batchGradient, batchLoss, innerProduct } from './batch-gradients.ts';
import {
  generalisationGap,
  gradientBlend,
  gradientCosine,
  purityHistogram,
  signPurity,
  taskAffinity,
} from './gradient-agreement.ts';
import { modalitiesOf, showModalities } from './shown-modalities.ts';
import { layersOf, type WeightSite } from './weight-site.ts';

/** Batches of one task, of equal settings but for the split. Borrowed. */
export interface DiagnosedTask {
  readonly task: string;
  readonly training: readonly TaskBatch[];
  /** Empty where the dataset has no split for it. */
  readonly validation: readonly TaskBatch[];
}

/** Losses of a task or of one modality of it, shown alone. */
export interface FitRecord {
  readonly training: number;
  readonly validation: number | null;
  /** Validation loss less training loss. */
  readonly gap: number | null;
}

export interface ModalityRecord extends FitRecord {
  readonly modality: string;
  /** Weight by what it generalises, of a sum of 1 in a task. */
  readonly blend: number | null;
  /** How much the validation loss of the task rises without it. */
  readonly drop: number | null;
}

/** How far some gradients agree. */
export interface AgreementRecord {
  readonly names: readonly string[];
  /** Cosines, by row and column of the names. */
  readonly cosine: readonly (readonly number[])[];
  /** Shares of the weights in five bins of positive sign purity: in the outer ones gradients agree. */
  readonly purity: readonly number[];
}

export interface TaskDiagnostics extends FitRecord {
  readonly task: string;
  /** Empty for tasks of one modality, and for those that ask at positions of their own inputs. */
  readonly modalities: readonly ModalityRecord[];
  readonly agreement: AgreementRecord | null;
}

export interface Diagnostics {
  /** Block whose weights were looked at, counted from 1: the last. */
  readonly layer: number;
  /** Weights of it. */
  readonly weights: number;
  readonly tasks: readonly TaskDiagnostics[];
  /** Between tasks, of which there must be two. */
  readonly between: (AgreementRecord & { readonly affinity: readonly (readonly number[])[] }) | null;
}

export interface DiagnosticsOptions {
  /** Length of the step whose effect on other tasks is looked at, as a share of the weights' norm. @default 1e-3 */
  readonly step?: number;
  readonly signal?: AbortSignal | undefined;
  /** What is done, in words, for a log. */
  readonly progress?: (text: string) => void;
}

/** All weights and biases of the last block. @throws ConfigError (code `no-layers`) for a model without blocks */
const lastBlock = (model: Generalist): WeightSite => {
  const layer = layersOf(model.parameters);
  if (layer === 0) {
    throw new ConfigError(
      'diagnostics: expected a model with blocks (parameters blocks.0 and on), whose weights tasks share, got one without; it can be measured for such models alone',
      { code: 'no-layers' },
    );
  }
  const path = `blocks.${layer - 1}.`;
  const weights = model.parameters.entries().filter(({ name }) => name.startsWith(path));
  return { layer, linear: 'all', weights, experts: 0 };
};

type Gradient = readonly Float32Array[];

const sizesOf = (site: WeightSite): readonly number[] => site.weights.map(({ variable }) => variable.size);

/** Mean gradient of some batches over the weights of a site; zeros where a batch used no part of one. */
const meanGradient = async (
  model: Generalist,
  batches: readonly TaskBatch[],
  site: WeightSite,
): Promise<Gradient> => {
  const sums = sizesOf(site).map((size) => new Float32Array(size));
  for (const batch of batches) {
    const { parts } = await batchGradient(model, batch, site);
    sums.forEach((sum, at) => {
      parts[at]?.forEach((value, k) => {
        sum[k] = (sum[k] ?? 0) + value / batches.length;
      });
    });
  }
  return sums;
};

const flat = (gradient: Gradient): Float32Array => {
  const all = new Float32Array(gradient.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of gradient) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

const agreementOf = (names: readonly string[], gradients: readonly Gradient[]): AgreementRecord => {
  const rows = gradients.map(flat);
  return {
    names,
    cosine: rows.map((a) => rows.map((b) => gradientCosine(a, b))),
    purity: purityHistogram(signPurity(rows)),
  };
};

/** Mean loss over batches, by their samples; null without any. */
const meanLoss = async (model: Generalist, batches: readonly TaskBatch[]): Promise<number | null> => {
  let [sum, count] = [0, 0];
  for (const batch of batches) {
    sum += (await batchLoss(model, batch)) * batch.inputs.size;
    count += batch.inputs.size;
  }
  return count === 0 ? null : sum / count;
};

const fitOf = async (
  model: Generalist,
  { training, validation }: Omit<DiagnosedTask, 'task'>,
): Promise<FitRecord> => {
  const fitted = (await meanLoss(model, training)) ?? Number.NaN;
  const held = await meanLoss(model, validation);
  return {
    training: fitted,
    validation: held,
    gap: held === null ? null : generalisationGap({ training: fitted, validation: held }),
  };
};

const diagnoseTask = async (
  model: Generalist,
  { task, training, validation }: DiagnosedTask,
  site: WeightSite,
): Promise<TaskDiagnostics> => {
  const whole = await fitOf(model, { training, validation });
  const [first] = training;
  const modalities = first?.queries === 'prefix' ? modalitiesOf(first) : [];
  if (modalities.length < 2) return { task, ...whole, modalities: [], agreement: null };
  const fits: Omit<ModalityRecord, 'blend'>[] = [];
  const gradients: Gradient[] = [];
  for (const modality of modalities) {
    const alone = (batches: readonly TaskBatch[]): TaskBatch[] =>
      batches.map((batch) => showModalities(batch, (each) => each === modality));
    const fit = await fitOf(model, { training: alone(training), validation: alone(validation) });
    const others = validation.map((batch) => showModalities(batch, (each) => each !== modality));
    const without = await meanLoss(model, others);
    const drop = without === null || whole.validation === null ? null : without - whole.validation;
    fits.push({ modality, ...fit, drop });
    gradients.push(await meanGradient(model, alone(training), site));
  }
  const known = fits.flatMap(({ training: fitted, validation: held }) =>
    held === null ? [] : [{ training: fitted, validation: held }],
  );
  const blend = known.length === fits.length ? gradientBlend(known) : [];
  return {
    task,
    ...whole,
    modalities: fits.map((fit, at) => ({ ...fit, blend: blend[at] ?? null })),
    agreement: agreementOf(modalities, gradients),
  };
};

/** Affinity of each task (column) after a step on each (row); the weights are afterwards what they were, bit for bit. */
const affinities = async (
  model: Generalist,
  site: WeightSite,
  measured: {
    readonly tasks: readonly DiagnosedTask[];
    readonly gradients: readonly Gradient[];
    readonly losses: readonly number[];
    readonly step: number;
  },
): Promise<readonly (readonly number[])[]> => {
  const { tasks, gradients, losses, step } = measured;
  const before = await Promise.all(site.weights.map(({ name }) => model.parameters.read(name)));
  const write = (factor: number, gradient: Gradient): void => {
    site.weights.forEach(({ name }, at) => {
      const slopes = gradient[at];
      const values = (before[at] as Float32Array).map((value, k) => value - factor * (slopes?.[k] ?? 0));
      model.parameters.write(name, values);
    });
    model.clearCaches();
  };
  const norm = Math.sqrt(innerProduct({ parts: before }, { parts: before }));
  const rows: number[][] = [];
  try {
    for (const gradient of gradients) {
      const length = Math.sqrt(innerProduct({ parts: gradient }, { parts: gradient }));
      write(length > 0 ? (step * norm) / length : 0, gradient);
      const row: number[] = [];
      for (const [at, { training }] of tasks.entries()) {
        const after = (await meanLoss(model, training)) ?? Number.NaN;
        row.push(taskAffinity(losses[at] ?? Number.NaN, after));
      }
      rows.push(row);
    }
  } finally {
    write(0, []);
  }
  return rows;
};

/**
 * Takes the diagnostics of a model. It is borrowed and has the same weights, bit for bit, afterwards.
 * @throws ConfigError for a model without blocks, no task, or a step that is not above 0; StateError when the signal aborts
 */
export const measureDiagnostics = async (
  model: Generalist,
  tasks: readonly DiagnosedTask[],
  { step = 1e-3, signal, progress }: DiagnosticsOptions = {},
): Promise<Diagnostics> => {
  if (tasks.length === 0 || tasks.some(({ training }) => training.length === 0) || !(step > 0)) {
    throw new ConfigError(
      `diagnostics: expected tasks with training batches and a step above 0, got ${tasks.map(({ task, training }) => `${task} ${training.length}`).join(', ') || 'no task'} and ${step}`,
    );
  }
  const site = lastBlock(model);
  const records: TaskDiagnostics[] = [];
  const gradients: Gradient[] = [];
  for (const diagnosed of tasks) {
    if (signal?.aborted)
      throw new StateError('diagnostics: stopped before all tasks were measured; run it again');
    records.push(await diagnoseTask(model, diagnosed, site));
    if (tasks.length > 1) gradients.push(await meanGradient(model, diagnosed.training, site));
    progress?.(`task ${records.length} of ${tasks.length}`);
  }
  const weights = sizesOf(site).reduce((sum, size) => sum + size, 0);
  if (tasks.length < 2) return { layer: site.layer, weights, tasks: records, between: null };
  const losses = records.map(({ training }) => training);
  const affinity = await affinities(model, site, { tasks, gradients, losses, step });
  const names = tasks.map(({ task }) => task);
  return {
    layer: site.layer,
    weights,
    tasks: records,
    between: { ...agreementOf(names, gradients), affinity },
  };
};
