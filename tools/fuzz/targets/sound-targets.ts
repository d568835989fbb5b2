/** Recordings, and arrays of HDF5 files. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { resolveBudgets } from '@polygate/core';
import { arraysOf } from '../../../packages/datasets/src/arrays/array-files.ts';
import { itemLength, widthOf } from '../../../packages/datasets/src/arrays/array-data.ts';
import { decodeSound } from '../../../packages/datasets/src/audio/decode-sound.ts';
import { edgeNumbers, pick } from '../byte-mutations.ts';
import { expectRight, type FuzzTarget, type Mutator } from '../target.ts';
import { fileIn } from './reading.ts';

const fixtures = join(process.cwd(), 'packages', 'datasets', 'test', 'fixtures', 'sounds');
/** Bytes in which heads lie. */
const HEAD = 64;
const MOST = 2 ** 24;

/** Writes a number of two or four bytes into the head: rates, lengths, channels. */
const mutateNumbers: Mutator = (bytes, random) => {
  const copy = Buffer.from(bytes);
  if (copy.length < 8) return copy;
  const at = random.integer(Math.min(HEAD, copy.length) - 4);
  const number = pick(random, edgeNumbers);
  if (random.integer(2) === 0) copy.writeUInt32LE(number % 2 ** 32, at);
  else copy.writeUInt16LE(number % 2 ** 16, at);
  return copy;
};

const sound: FuzzTarget = {
  name: 'sound',
  errors: [],
  async open() {
    const names = [
      'pcm_u8.wav',
      'pcm_24.wav',
      'float.wav',
      'extensible.wav',
      'pcm.flac',
      'vorbis.ogg',
      'opus.opus',
    ];
    return {
      seeds: await Promise.all(names.map((name) => readFile(join(fixtures, name)))),
      mutators: [mutateNumbers],
      async parse(bytes) {
        const read = await decodeSound('a', { kind: 'bytes', bytes }, { imageBytes: MOST });
        if ('kind' in read) {
          expectRight(/^[a-z-]+$/u.test(read.code), `the fault code ${read.code}`);
          expectRight(read.reason.length < 500, `a reason of ${read.reason.length} characters`);
          return;
        }
        const { channels, rate } = read;
        const [first] = channels;
        expectRight(Number.isSafeInteger(rate) && rate > 0, `the rate ${rate}`);
        expectRight(first !== undefined && first.length > 0, 'no samples');
        for (const channel of channels) {
          expectRight(channel.length === first?.length, `channels of ${first?.length} and ${channel.length}`);
          expectRight(channel.every(Number.isFinite), 'samples that are not finite');
        }
      },
    };
  },
};

const hdf5: FuzzTarget = {
  name: 'hdf5',
  errors: ['ConfigError', 'FormatError'],
  async open(folder) {
    const save = fileIn(folder, 'arrays.h5');
    return {
      seeds: [await readFile(join(fixtures, 'arrays.h5'))],
      mutators: [mutateNumbers],
      async parse(bytes) {
        const arrays = await arraysOf(
          [await save(bytes)],
          resolveBudgets({ imageBytes: MOST, groupBytes: MOST }),
        );
        for (const source of arrays.values()) {
          await using pass = await source.open();
          let items = 0;
          for await (const item of pass.items()) {
            items += 1;
            const wanted = itemLength(pass.shape, source.name) * widthOf(pass.type);
            expectRight(item.length === wanted, `item of ${item.length} bytes, expected ${wanted}`);
            if (items > 1000) break;
          }
        }
      },
    };
  },
};

export const soundTargets: readonly FuzzTarget[] = [sound, hdf5];
