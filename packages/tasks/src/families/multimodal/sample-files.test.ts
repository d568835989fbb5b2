import type { StoredInput } from '@polygate/stream';
import { trainTokenizer } from '@polygate/tokens';
import { expect, it } from 'vitest';
import type { TaskModel } from '../../model.ts';
import { sampleSequences } from './sample-files.ts';

const stored = (modality: string): StoredInput => ({ modality, form: 'values', shape: [2, 1] });
const modalities = ['force', 'control', 'proprioception'];

/** Whether all tokens of each input are padding, of a sample of a task that reads some inputs of a dataset of three. */
const lacking = async (reads: readonly string[], sample: object): Promise<readonly boolean[]> => {
  const inputs = modalities.flatMap((name, index) =>
    reads.includes(name) ? [{ name, stored: stored(name), settings: {}, index }] : [],
  );
  const model = {
    tokenizer: trainTokenizer(['a b'], { vocabularySize: 270 }),
    image: { height: 4, width: 4, channels: 3 },
  } as unknown as TaskModel;
  const served = {
    name: 'pushes',
    family: 'multimodal-regression',
    dataset: 'pushes',
    settings: { inputs },
  };
  const { segments, keyPadding } = await sampleSequences(JSON.stringify(sample), {
    model,
    served,
    reading: {},
  });
  let start = 1; // behind the prefix token
  return segments.map(({ length }) => {
    const of = keyPadding?.subarray(start, (start += length)) ?? new Uint8Array(length);
    return of.every((flag) => flag === 1);
  });
};

it('a sample lacks what it lacks, also for a task that reads a part of the inputs', async () => {
  const [force, control, proprioception] = [
    [[1], [2]],
    [[3], [4]],
    [[5], [6]],
  ];
  expect(await lacking(modalities, { force, proprioception })).toEqual([false, true, false]);
  expect(await lacking(['control', 'proprioception'], { control })).toEqual([false, true]);
  expect(await lacking(['control', 'proprioception'], { proprioception })).toEqual([true, false]);
  expect(await lacking(['proprioception'], { proprioception })).toEqual([false]);
});
