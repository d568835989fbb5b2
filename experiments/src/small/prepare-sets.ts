/** The small sets as files of NumPy's, prepared as anybody's own data are. */
import { prepare } from '@polygate/app-prepare';
import type { Logger } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import type { Suite } from '@polygate/datasets';
import { openSuite, type OpenSuite } from '@polygate/generalist';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CHANNELS, SIDE } from './drawn-images.ts';
import { npyOf } from './npy.ts';
import { smallSplits, type MadeSet, type SmallSet } from './small-sets.ts';

/** A prepared set. */
export interface PreparedSet {
  readonly set: SmallSet;
  readonly suite: Suite;
  readonly folder: string;
}

const writeSet = async (folder: string, { splits }: MadeSet): Promise<void> => {
  await mkdir(folder, { recursive: true });
  for (const split of smallSplits) {
    const { images, labels } = splits[split];
    const shape = [images.length, SIDE, SIDE, CHANNELS];
    await writeFileAtomic(join(folder, `x_${split}.npy`), npyOf(Buffer.concat(images), shape));
    await writeFileAtomic(join(folder, `y_${split}.npy`), npyOf(Uint8Array.from(labels), [labels.length]));
  }
};

const prepareSet = async (
  set: SmallSet,
  data: OpenSuite,
  { output, logger }: { readonly output: string; readonly logger: Logger },
): Promise<PreparedSet> => {
  const made = await set.make(data);
  const raw = join(output, 'small-sets', set.name);
  await writeSet(raw, made);
  const { directory, suite } = await prepare(
    {
      recipe: {
        name: `small-${set.name}`,
        image: { size: SIDE },
        // That of the suite which the generalist was trained on, so that it can be tuned to these.
        tokenizer: { file: resolve(data.folder, 'tokenizer.json') },
        sources: {
          [set.name]: { source: 'numpy-arrays', files: resolve(raw), classes: [...made.classes] },
        },
      },
      output,
    },
    { logger },
  );
  return { set, suite, folder: directory };
};

/** @param full folder of the prepared full mini suite */
export const prepareSets = async (
  sets: readonly SmallSet[],
  full: string,
  context: { readonly output: string; readonly logger: Logger },
): Promise<readonly PreparedSet[]> => {
  await using data = await openSuite(full);
  const prepared: PreparedSet[] = [];
  for (const set of sets) prepared.push(await prepareSet(set, data, context));
  return prepared;
};
