/**
 * A task: which inputs it shows, against which candidate targets they are scored, by which loss and temperature. One
 * form for all families, so that a trainer needs no knowledge of any of them.
 */
import { optional, ruleOf, rules, shaped, type Random, type Rule } from '@polygate/core';
import type { TaskSignature } from '@polygate/attributes';
import type { RecordBatch } from '@polygate/stream';
import type { SequenceBatch } from '@polygate/modalities';

/** Candidate targets of a batch. */
export interface TaskTargets {
  /**
   * Names the candidate set; two batches with the same key and `whole` have identical sequences, so their features may
   * be kept between steps of an evaluation.
   */
  readonly key: string;
  /** True when every candidate of the set is here, in the order of the set. */
  readonly whole: boolean;
  /** [C] index of each candidate in its set (for retrieval: the row of the batch). */
  readonly ids: Int32Array;
  /** C sequences. */
  readonly sequences: SequenceBatch;
  /** [C] the candidates as they are called, of a whole set that has names: what a head has its outputs by. */
  readonly names?: readonly string[];
  /** [C] log of the probability that sampling put the candidate into this batch; present for sampled sets. */
  readonly logQ?: Float32Array;
}

/** What queries of mixed rows have beside their labels. */
export interface MixedLabels {
  /** [queries] index into `targets.ids` of the row that was mixed in. */
  readonly labels: Int32Array;
  /** [queries] share of the row's own label, 0 to 1; that of the other is what is left. */
  readonly shares: Float32Array;
}

/** One step's worth of a task, in plain arrays. */
export interface TaskBatch {
  readonly task: string;
  /** Name of its task family. */
  readonly family: string;
  /** Name of the learned temperature. */
  readonly temperature: string;
  readonly lossWeight: number;
  readonly inputs: SequenceBatch;
  /** Which hidden states are compared: the prefix of each row, or flat positions in [B * T]. */
  readonly queries: 'prefix' | Int32Array;
  /** [queries] index into `targets.ids`. */
  readonly labels: Int32Array;
  readonly targets: TaskTargets;
  /** Second labels of rows that were mixed with others: for the loss `mixed-cross-entropy`. */
  readonly mixed?: MixedLabels;
  /** Name of the loss: `cross-entropy`, `mixed-cross-entropy`, `contrastive`, or one that a model has beside them; others are refused. */
  readonly loss: string;
  /** Targets of a loss that compares numbers, row by row: regression, or one flag a class. */
  readonly values?: Float32Array;
  /** [B * B] for the contrastive loss: 1 where row and column mean the same and must not repel each other. */
  readonly same?: Uint8Array;
  readonly labelSmoothing: number;
  /** The batch that this one is a part of, where several processes compute one. @default it is the whole */
  readonly whole?: TaskBatch;
}

const batchFields = shaped({
  inputs: shaped({ size: rules.count, length: rules.count, segments: rules.list }),
  queries: ruleOf('"prefix" or an Int32Array', (value) => value === 'prefix' || value instanceof Int32Array),
  labels: ruleOf('numbers of an array', ArrayBuffer.isView),
  targets: shaped({
    key: rules.text,
    whole: rules.flag,
    ids: ruleOf('numbers of an array', ArrayBuffer.isView),
    sequences: shaped({ size: rules.count, segments: rules.list }),
  }),
  loss: rules.text,
  values: optional(rules.finiteValues),
});

const isBetween = (index: number, count: number): boolean => index >= 0 && index < count;

/** What a batch must be, as far as all models agree: families of other packages make their own. */
export const taskBatchRule: Rule = (value, path = '') => {
  const misfit = batchFields(value, path);
  if (misfit) return misfit;
  const { inputs, queries, labels, targets, values } = value as TaskBatch;
  const positions = inputs.size * inputs.length;
  const count = queries === 'prefix' ? inputs.size : queries.length;
  const inside = ruleOf(
    `positions of ${inputs.size} sequences of ${inputs.length} tokens`,
    () => queries === 'prefix' || queries.every((at) => at >= 0 && at < positions),
  );
  // Losses that compare numbers need no labels.
  const each = ruleOf(`one for each of ${count} queries`, () => [0, count].includes(labels.length));
  const candidates = targets.sequences.size;
  const named = ruleOf(`one for each of ${candidates} candidates`, () => targets.ids.length === candidates);
  const indices = ruleOf(
    `indices into ${candidates} candidates`,
    (label) =>
      values !== undefined || (Number.isSafeInteger(label) && isBetween(label as number, candidates)),
  );
  const wrong = labels.findIndex((label) => indices(label) !== undefined);
  return (
    inside(queries, 'queries') ??
    each(labels, 'labels') ??
    named(targets.ids, 'targets.ids') ??
    (wrong < 0 ? undefined : indices(labels[wrong], `labels.${wrong}`))
  );
};

export interface CollateOptions {
  /** Source of every draw; the same stream gives the same batch. */
  readonly random: Random;
  /** Training samples captions, candidates and augmentation; evaluation is deterministic and complete. */
  readonly training: boolean;
}

export interface Task {
  readonly name: string;
  /** Name of its task family. */
  readonly family: string;
  readonly signature: TaskSignature;
  readonly temperature: string;
  readonly lossWeight: number;
  readonly labelSmoothing: number;
  /** Turns a record batch into model inputs. Pure in (batch, random). */
  collate(batch: RecordBatch, options: CollateOptions): TaskBatch;
}

/** What every task can be told. */
export interface TaskSettings {
  /** Name in metrics and reports. */
  readonly name: string;
  /** Factor of this task's loss. @default 1 */
  readonly lossWeight?: number;
  /** Share of the target mass spread evenly over the candidates, 0 to 1. */
  readonly labelSmoothing?: number;
}

/** What a family makes of a batch; the rest is the same for all. */
export type CollatedRows = Pick<
  TaskBatch,
  'inputs' | 'queries' | 'labels' | 'targets' | 'mixed' | 'loss' | 'same' | 'values'
>;

/** What a family says of itself, besides its settings with their defaults. */
export type TaskFacts = Required<TaskSettings> &
  Pick<Task, 'family' | 'signature'> & {
    /** @default the name of the family */
    readonly temperature?: string;
  };

/** A task from its facts and its collation. Labels are smoothed in training alone. */
export const defineTask = (
  facts: TaskFacts,
  collate: (batch: RecordBatch, options: CollateOptions) => CollatedRows,
): Task => {
  const { name, family, lossWeight, labelSmoothing, temperature = family } = facts;
  return Object.freeze<Task>({
    ...facts,
    temperature,
    collate(batch, options) {
      const rows = collate(batch, options);
      return {
        ...rows,
        inputs: { ...rows.inputs, task: name },
        task: name,
        family,
        temperature,
        lossWeight,
        labelSmoothing: options.training ? labelSmoothing : 0,
      };
    },
  });
};
