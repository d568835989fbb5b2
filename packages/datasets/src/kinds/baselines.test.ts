/** Baselines of kinds from written rows, by hand. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildBatch, writeShards, type ColumnInput } from '@polygate/stream';
import { trainTokenizer } from '@polygate/tokens';
import { datasetSchema } from '../suite/schemas.ts';
import { kindNamed } from './kind-registry.ts';
import { bestThreshold, sharedWords } from './text-baselines.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-baselines-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const tokenizer = trainTokenizer(['cats purr softly dogs bark'], { vocabularySize: 280, lowercase: true });

/** Writes splits and gives the baselines of their kind. */
const baselinesOf = async (
  kind: string,
  classes: readonly string[],
  splits: Readonly<
    Record<string, { readonly rows: number; readonly columns: Readonly<Record<string, ColumnInput>> }>
  >,
  settings: object = {},
): Promise<unknown> => {
  const schema = datasetSchema({
    kind,
    imageSize: 4,
    classes,
    settings: { ...settings },
    tokenizer: tokenizer.hash,
  });
  for (const [split, { columns }] of Object.entries(splits)) {
    const batches = (async function* () {
      yield buildBatch(schema, columns);
    })();
    await writeShards(join(root, kind, split), schema, batches);
  }
  const dataset = {
    name: kind,
    kind,
    classes,
    splits: Object.fromEntries(Object.entries(splits).map(([split, { rows }]) => [split, { rows }])),
  };
  const described = await kindNamed(kind).baselines?.({ directory: root, dataset, imageSize: 4, tokenizer });
  return described?.baselines?.['test'];
};

describe('baselines of labelled texts', () => {
  const texts = (list: readonly (readonly [string, string, number])[]) => ({
    rows: list.length,
    columns: {
      id: list.map((_, i) => `${i}`),
      ...Object.fromEntries(
        [0, 1].flatMap((side) => {
          const ids = list.map((row) => Array.from(tokenizer.encode(String(row[side]))));
          const suffix = side === 0 ? '' : '_b';
          return [
            [`tokens${suffix}`, ids],
            [`words${suffix}`, ids.map((each) => Array.from(tokenizer.words(each)))],
          ];
        }),
      ),
      label: list.map((row) => row[2]),
    },
  });

  it('are naive Bayes over words, over those of the second text alone, and shared words', async () => {
    const train = texts([
      ['cats purr', 'cats purr softly', 1],
      ['dogs bark', 'dogs bark softly', 1],
      ['cats purr', 'dogs growl loudly', 0],
      ['dogs bark', 'cows moo loudly', 0],
    ]);
    const test = texts([
      ['dogs bark', 'dogs bark loudly', 1],
      ['cows moo', 'cats purr softly', 0],
      ['cows moo', 'cows moo softly', 1],
      ['cats moo', 'dogs moo loudly', 0],
    ]);
    const scores = await baselinesOf('labelled-text', ['no', 'yes'], { train, test }, { pairs: true });
    // Shared words: 2/3 and 2/3 of right pairs, 0 and 0 of wrong ones, so the threshold is 1/3. Asked: 2/3, 0, 2/3, and
    // 1/4 (moo of cats, moo, dogs, loudly): all right. Naive Bayes over the second text has 6 words of each class and 9
    // different ones, so 15 below each fraction: "dogs bark loudly" is 2·2·1 to 2·1·3, "cats purr softly" 2·2·3 to 1·1·1,
    // "cows moo softly" 1·1·3 to 2·2·1, "dogs moo loudly" 2·1·1 to 2·2·3: the last alone is right. Over both texts it is
    // 81 to 108, 27 to 16, 3 to 16, 9 to 72: again the last alone.
    expect(scores).toEqual({
      chance: 0.5,
      majority: 0.5,
      wordOverlap: 1,
      naiveBayesSecondText: 0.25,
      naiveBayes: 0.25,
    });
  });

  it('share words as sets, and split numbers where most are right', () => {
    expect(sharedWords(['a', 'b', 'b'], ['b', 'c'])).toBe(1 / 3);
    expect(sharedWords([], [])).toBe(0);
    expect(bestThreshold([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])).toEqual({ threshold: 0.5, above: 1 });
    expect(bestThreshold([0.1, 0.2, 0.8, 0.9], [1, 1, 1, 0])).toEqual({
      threshold: 0.8500000000000001,
      above: 0,
    });
    expect(bestThreshold([0.5, 0.5], [1, 1])).toEqual({ threshold: -Infinity, above: 1 });
  });
});

describe('baselines of clips', () => {
  const clip = (value: number, frames: number): Uint8Array => new Uint8Array(frames * 4 * 4 * 3).fill(value);
  const clips = (list: readonly (readonly [number, number, number])[]) => ({
    rows: list.length,
    columns: {
      id: list.map((_, i) => `${i}`),
      frames: list.map(([value, frames]) => clip(value, frames)),
      frame_count: list.map(([, frames]) => frames),
      label: list.map(([, , label]) => label),
    },
  });

  it('are the class of the nearest clip, of whatever number of frames', async () => {
    const scores = await baselinesOf('labelled-video', ['dark', 'light', 'none'], {
      train: clips([
        [10, 3, 0],
        [20, 2, 0],
        [200, 8, 1],
      ]),
      test: clips([
        [30, 9, 0],
        [180, 1, 1],
        [190, 2, 0],
      ]),
    });
    expect(scores).toEqual({ chance: 1 / 3, majority: 2 / 3, pixelNearestNeighbour: 2 / 3 });
  });
});
