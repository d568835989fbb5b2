/** Samples for predictions, of files, values and rows of tables, read as the suite was that a model was trained on. */
import { createRandom, FormatError, StateError } from '@polygate/core';
import {
  datasetSchema,
  kindNamed,
  sampleOfFile,
  samplesOfTable,
  type Sample,
  type TableSample,
} from '@polygate/datasets';
import type { SequenceBatch } from '@polygate/modalities';
import { textRow, type RecordBatch, type StoredInput } from '@polygate/stream';
import type { TaskModel, TrainedTask } from '../../model.ts';
import type { FileReading } from '../predictor.ts';
import { inputReader, keptOf, multimodalInputs } from './task-inputs.ts';

/** Kind whose rows have the columns of the inputs. */
const KIND = 'multimodal-classes';
/** Rows of a table that are scored at once. */
const ROWS_AT_ONCE = 64;

/** Whose samples are read. */
export interface SampleOptions {
  readonly model: TaskModel;
  readonly served: TrainedTask | undefined;
  readonly reading: FileReading;
  /** Folder that paths in samples count from. @default that of the file that names them */
  readonly folder?: string | undefined;
}

/** A sample, or why there is none. */
type Read = TableSample & { readonly row: string };

/** Inputs of the task. @throws StateError where the model doesn't say them */
const inputsOf = (served: TrainedTask | undefined): Readonly<Record<string, StoredInput>> => {
  const kept = keptOf(served?.settings);
  if (served && kept.inputs.length > 0)
    return Object.fromEntries(kept.inputs.map(({ name, stored }) => [name, stored]));
  throw new StateError(
    'sample: expected a model of a multimodal task, got one that says no inputs; ask a model that was trained on such data',
    { code: 'no-inputs' },
  );
};

/** Says of a text that is none of the categories of a column. */
const newCategory =
  ({ logger }: FileReading) =>
  (column: string, text: string): void =>
    logger?.warn(`"${text}" is none of the categories of ${column} that the model has: it counts as missing`);

/** Sequences of samples, with the rows that they are of; `onFault` is told of samples that are none. */
async function* sequencesOf(
  reads: readonly Read[],
  { model: { tokenizer, image }, served, reading: { fit, background } }: SampleOptions,
  onFault: (row: string, reason: string) => void,
): AsyncGenerator<{ readonly rows: readonly string[]; readonly inputs: SequenceBatch }> {
  const kept = keptOf(served?.settings);
  const settings = { inputs: inputsOf(served) };
  async function* samples(): AsyncGenerator<Sample> {
    for (const read of reads) {
      if ('reason' in read) onFault(read.row, read.reason);
      else yield await Promise.resolve({ kind: 'sample', id: read.row, contents: read.contents, label: 0 });
    }
  }
  const batches: AsyncIterable<RecordBatch> = kindNamed(KIND).batches(samples(), {
    schema: datasetSchema({ kind: KIND, imageSize: image.height, settings }),
    tokenizer,
    image: {
      size: image.height,
      ...(fit === undefined ? {} : { fit }),
      ...(background === undefined ? {} : { background }),
    },
    textLength: 0,
    name: 'samples',
    settings,
    rowsPerBatch: ROWS_AT_ONCE,
    onFault: ({ id, reason }) => onFault(id, reason),
  });
  // Columns lie in the order of what the task reads.
  const placed = { ...kept, inputs: kept.inputs.map((input, index) => ({ ...input, index })) };
  const read = inputReader(multimodalInputs(placed as never, { image, tokenizer }));
  for await (const batch of batches) {
    const rows = Array.from({ length: batch.numRows }, (_, row) => textRow(batch, 'id', row));
    yield { rows, inputs: read(batch, { random: createRandom(1), training: false }) };
  }
}

/**
 * The sample of a file, or of the text of a JSON object, as sequences, one row.
 * @throws StateError where the model doesn't say its inputs, and for a path that can't be read; FormatError for what holds no
 * sample of the task
 */
export const sampleSequences = async (path: string, options: SampleOptions): Promise<SequenceBatch> => {
  const { served, reading, folder } = options;
  const contents = await sampleOfFile(path, inputsOf(served), { folder, onNew: newCategory(reading) });
  let reason = 'expected a sample, got none';
  const reads = [{ row: path, contents }];
  for await (const { inputs } of sequencesOf(reads, options, (_, told) => (reason = told))) return inputs;
  throw new FormatError(`sample ${path}: ${reason}`, { code: 'sample' });
};

/** What a row is answered with, or why it is not. */
export type RowScores =
  { readonly row: string; readonly scores: Float32Array } | { readonly row: string; readonly reason: string };

/**
 * Scores of the rows of a table, in their order.
 * @param score of the rows of a batch, one after another
 * @throws ConfigError for a table that has none of the inputs
 */
export async function* tableScores(
  table: string,
  options: SampleOptions,
  score: (inputs: SequenceBatch) => Promise<Float32Array>,
): AsyncGenerator<RowScores> {
  const { served, reading, folder } = options;
  const answer = async (reads: readonly Read[]): Promise<readonly RowScores[]> => {
    const answers = new Map<string, RowScores>();
    const onFault = (row: string, reason: string): void => void answers.set(row, { row, reason });
    for await (const { rows, inputs } of sequencesOf(reads, options, onFault)) {
      const scores = await score(inputs);
      const each = scores.length / rows.length;
      for (const [at, row] of rows.entries())
        answers.set(row, { row, scores: scores.subarray(at * each, (at + 1) * each) });
    }
    return reads.flatMap(({ row }) => answers.get(row) ?? []);
  };
  let pending: Read[] = [];
  for await (const read of samplesOfTable(table, inputsOf(served), {
    folder,
    onNew: newCategory(reading),
  })) {
    pending.push(read);
    if (pending.length < ROWS_AT_ONCE) continue;
    yield* await answer(pending);
    pending = [];
  }
  yield* await answer(pending);
}
