/** Samples of files for predictions, read as the suite was that a model was trained on. */
import { createRandom, FormatError, StateError } from '@polygate/core';
import { datasetSchema, kindNamed, sampleOfFile } from '@polygate/datasets';
import type { SequenceBatch } from '@polygate/modalities';
import type { RecordBatch } from '@polygate/stream';
import type { TaskModel, TrainedTask } from '../../model.ts';
import type { FileReading } from '../predictor.ts';
import { inputReader, keptOf, multimodalInputs } from './task-inputs.ts';

/** Kind whose rows have the columns of the inputs. */
const KIND = 'multimodal-classes';

/** Whose sample is read. */
export interface SampleFileOptions {
  readonly model: TaskModel;
  readonly served: TrainedTask | undefined;
  readonly reading: FileReading;
}

/**
 * The sample of a file as sequences, one row.
 * @throws ConfigError where the model doesn't say its inputs; StateError for a path that can't be read, FormatError for one
 * that holds no sample of the task
 */
export const sampleSequences = async (
  path: string,
  { model, served, reading }: SampleFileOptions,
): Promise<SequenceBatch> => {
  const kept = keptOf(served?.settings);
  if (!served || kept.inputs.length === 0) {
    throw new StateError(
      `sample ${path}: expected a model of a multimodal task, got one that says no inputs; ask a model that was trained on such data`,
      { code: 'no-inputs' },
    );
  }
  const { tokenizer, image } = model;
  const inputs = Object.fromEntries(kept.inputs.map(({ name, stored }) => [name, stored]));
  const settings = { inputs };
  const contents = await sampleOfFile(path, inputs);
  const faults: string[] = [];
  const { fit, background } = reading;
  const rows = kindNamed(KIND).batches(
    (async function* () {
      yield await Promise.resolve({ kind: 'sample' as const, id: path, contents, label: 0 });
    })(),
    {
      schema: datasetSchema({ kind: KIND, imageSize: image.height, settings }),
      tokenizer: tokenizer,
      image: {
        size: image.height,
        ...(fit === undefined ? {} : { fit }),
        ...(background === undefined ? {} : { background }),
      },
      textLength: 0,
      name: path,
      settings,
      onFault: ({ reason }) => faults.push(reason),
    },
  );
  let batch: RecordBatch | undefined;
  for await (const each of rows) batch = each;
  if (!batch) {
    throw new FormatError(`sample ${path}: ${faults[0] ?? 'expected a sample, got none'}`, {
      code: 'sample',
    });
  }
  // Columns lie in the order of what the task reads.
  const placed = { ...kept, inputs: kept.inputs.map((input, index) => ({ ...input, index })) };
  const read = inputReader(multimodalInputs(placed as never, { image, tokenizer }));
  return read(batch, { random: createRandom(1), training: false });
};
