/** Rows of a collated batch as batches of their own, for processes that compute one batch together. */
import { takeSequences } from '@polygate/modalities';
import type { TaskBatch } from './task.ts';

/** Rows of a batch, and the place of the first one in it. */
export interface TaskPart {
  readonly batch: TaskBatch;
  readonly first: number;
}

/** Values of the queries `at`, of [count * width]. */
const take = <T extends Int32Array | Float32Array>(values: T, at: Int32Array, count: number): T => {
  const width = values.length / count;
  const taken = new (values.constructor as new (length: number) => T)(at.length * width);
  at.forEach((query, i) => taken.set(values.subarray(query * width, (query + 1) * width), i * width));
  return taken;
};

/** Pairs of a batch by themselves: each row has a target of its own. */
const pairsOf = (
  { targets, same, inputs: { size } }: TaskBatch,
  rows: Int32Array,
): Pick<TaskBatch, 'labels' | 'targets' | 'same'> => ({
  labels: Int32Array.from(rows.keys()),
  targets: {
    ...targets,
    ids: Int32Array.from(rows.keys()),
    sequences: takeSequences(targets.sequences, rows),
  },
  ...(same
    ? { same: Uint8Array.from([...rows].flatMap((i) => Array.from(rows, (j) => same[i * size + j] ?? 0))) }
    : {}),
});

const rowPart = (batch: TaskBatch, from: number, end: number): TaskPart => {
  const { inputs, queries, labels, mixed, values, loss } = batch;
  const { size, length } = inputs;
  const rows = Int32Array.from({ length: end - from }, (_, i) => from + i);
  const count = queries === 'prefix' ? size : queries.length;
  const at =
    queries === 'prefix'
      ? rows
      : Int32Array.from(queries.keys()).filter((query) => {
          const row = Math.floor((queries[query] ?? 0) / length);
          return row >= from && row < end;
        });
  return {
    first: from,
    batch: {
      ...batch,
      inputs: takeSequences(inputs, rows),
      queries:
        queries === 'prefix' ? queries : take(queries, at, count).map((position) => position - from * length),
      labels: labels.length > 0 ? take(labels, at, count) : labels,
      ...(mixed
        ? { mixed: { labels: take(mixed.labels, at, count), shares: take(mixed.shares, at, count) } }
        : {}),
      ...(values ? { values: take(values, at, count) } : {}),
      ...(loss === 'contrastive' ? pairsOf(batch, rows) : {}),
      whole: batch,
    },
  };
};

/**
 * Cuts a batch into parts of equally many rows, or one row more or less; undefined where there are fewer rows than parts,
 * or a part has no query. Padding, candidates, labels and mixed rows stay those of the whole batch, so that the mean of the
 * parts' losses, each weighed by its queries, is the loss of the batch. Pairs of a loss that compares rows with each other
 * (`contrastive`) are cut with their targets: what they are compared with must be told by the other parts.
 */
export const cutTaskBatch = (batch: TaskBatch, parts: number): readonly (TaskPart | undefined)[] => {
  const { size } = batch.inputs;
  return Array.from({ length: parts }, (_, part) => {
    const [from, end] = [part, part + 1].map((at) => Math.floor((at * size) / parts)) as [number, number];
    if (from === end) return undefined;
    const cut = rowPart(batch, from, end);
    return cut.batch.queries === 'prefix' || cut.batch.queries.length > 0 ? cut : undefined;
  });
};
