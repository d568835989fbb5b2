/** Each leakage rule on a small prepared suite: it holds for one that is right, and finds the one row that is not. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildBatch, type ColumnInput, type Schema, type StreamSource } from '@polygate/stream';
import { trainTokenizer } from '@polygate/tokens';
import { datasetSchema } from '../../suite/schemas.ts';
import { writeSuite } from '../../suite/write-suite.ts';
import { bucketOf } from '../../splits/split.ts';
import { checkLeakage } from './check-rules.ts';
import { leakageRules } from './rule-registry.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-rules-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const tokenizer = trainTokenizer(['a red heart', 'a tulip', 'a rose'], {
  vocabularySize: 300,
  lowercase: true,
});
const ids = (text: string): number[] => Array.from(tokenizer.encode(text));

const sourceOf = (schema: Schema, columns: Readonly<Record<string, ColumnInput>>): StreamSource => ({
  schema,
  async *batches() {
    yield buildBatch(schema, columns);
  },
});
const schemaOf = (kind: string, extra: readonly string[]): Schema =>
  datasetSchema({ kind, imageSize: 4, classes: ['x', 'y'], extra, tokenizer: tokenizer.hash });

/** Rows of one kind with a text column: values by row. */
const labelled = (column: string, values: readonly string[], base = 0): StreamSource =>
  sourceOf(schemaOf('labelled-image', [column]), {
    id: values.map((_, i) => `row ${base + i}`),
    image: Uint8Array.from({ length: values.length * 48 }, (_, i) => base + Math.floor(i / 48)),
    label: values.map(() => 0),
    [column]: [...values],
  });
const captioned = (
  values: readonly (readonly [concept: string, ...captions: string[]])[],
  base = 0,
): StreamSource =>
  sourceOf(schemaOf('captioned-image', ['concept']), {
    id: values.map((_, i) => `row ${base + i}`),
    image: new Uint8Array(values.length * 48),
    captions: values.map(([, ...captions]) => captions.map(ids)),
    concept: values.map(([concept]) => concept),
  });
const lines = (values: readonly (readonly [source: string, line: string])[]): StreamSource => {
  const tokens = values.map(([, line]) => [...ids(line), tokenizer.specials.endoftext]);
  return sourceOf(schemaOf('text', ['source']), {
    id: values.map((_, i) => `${i}`),
    tokens,
    words: tokens.map((each) => Array.from(tokenizer.words(each))),
    source: values.map(([source]) => source),
  });
};

type Datasets = Readonly<Record<string, Readonly<Record<string, StreamSource>>>>;

/** Violations by rule, of the rules that found any or that looked at anything. */
const findings = async (
  datasets: Datasets,
): Promise<Record<string, readonly [checked: number, violations: number]>> => {
  const folder = join(root, 'suite');
  await writeSuite(folder, { name: 'suite', tokenizer, datasets });
  const out: Record<string, readonly [number, number]> = {};
  for await (const { rule, checked, violations } of checkLeakage(folder))
    if (checked > 0) out[rule] = [checked, violations];
  return out;
};

const heldOutLemma = [
  'moor',
  'loch',
  'fen',
  'bog',
  'tarn',
  'mere',
  'beck',
  'fell',
  'dale',
  'scar',
  'crag',
  'rill',
  'ghyll',
  'holt',
  'copse',
  'weir',
  'brook',
  'heath',
].find((lemma) => bucketOf(lemma) < 10) as string;
const trainedLemma = ['cat', 'dog', 'cow'].find((lemma) => bucketOf(lemma) >= 10) as string;

describe('leakage rules', () => {
  it.each([
    ['emoji-concepts', 'concept'],
    ['wordnet-tasks', 'lemma'],
    ['bible-books', 'book'],
    ['sprite-sheets', 'sheet'],
    ['sprite-units', 'unit'],
    ['clip-art-series', 'series'],
    ['icon-bases', 'base'],
    ['digit-sides', 'digit'],
    ['mail-subjects', 'thread'],
  ])('%s: no value of %s is trained on and held out, in whichever datasets', async (rule, column) => {
    const right = { one: { train: labelled(column, ['a', '', 'b']), test: labelled(column, ['c', ''], 3) } };
    expect((await findings(right))[rule]).toEqual([1, 0]);
    const wrong = { ...right, two: { validation: labelled(column, ['d', 'b', 'b'], 5) } };
    expect((await findings(wrong))[rule]).toEqual([4, 2]);
  });

  it('emoji-concepts: a held-out vendor shows what training knows', async () => {
    const datasets = {
      one: { train: labelled('concept', ['a']), 'unseen-vendor': labelled('concept', ['a'], 3) },
    };
    expect((await findings(datasets))['emoji-concepts']).toBeUndefined();
  });

  it('emoji-names: captions of training name nothing that is held out, keywords included', async () => {
    const test = captioned([['2', 'tulip', 'flower, garden']], 5);
    expect(
      (await findings({ e: { train: captioned([['1', 'rose', 'flower, red']]), test } }))['emoji-names'],
    ).toEqual([1, 0]);
    expect(
      (await findings({ e: { train: captioned([['1', 'rose', 'flower, tulip']]), test } }))['emoji-names'],
    ).toEqual([1, 1]);
  });

  it('wordnet-text: no gloss of a held-out lemma is in training text', async () => {
    const validation = lines([['wordnet', `${heldOutLemma}: a wet place; "we sank there"`]]);
    const right: (readonly [string, string])[] = [['wordnet', `${trainedLemma}: an animal`]];
    const check = async (more: readonly (readonly [string, string])[]) =>
      (await findings({ text: { train: lines([...right, ...more]), validation } }))['wordnet-text'];
    expect(await check([])).toEqual([1, 0]);
    expect(await check([['wordnet', `${heldOutLemma}, ${trainedLemma}: something else`]])).toEqual([2, 1]);
    expect(await check([['wordnet', `${trainedLemma}: an animal; "we sank there"`]])).toEqual([2, 1]);
    // Other texts may say the word.
    expect(await check([['moby-dick', `the ${heldOutLemma}: it was wet`]])).toEqual([1, 0]);
  });

  it('held-out-documents: no long line of a held-out document is in training text', async () => {
    const line = 'Heaven and earth shall pass away: but my words shall not pass away.';
    const validation = lines([
      ['kjv', line],
      ['kjv', 'Amen.'],
    ]);
    const check = async (train: readonly (readonly [string, string])[]) =>
      (await findings({ text: { train: lines(train), validation } }))['held-out-documents'];
    expect(
      await check([
        ['kjv', 'In the beginning.'],
        ['kjv', 'Amen.'],
      ]),
    ).toEqual([2, 0]);
    expect(
      await check([
        ['kjv', 'In the beginning.'],
        ['web', line],
      ]),
    ).toEqual([2, 1]);
  });

  it('clip-art-exclusions: no flags and no smileys', async () => {
    const idsOf = (names: readonly string[]): StreamSource =>
      sourceOf(schemaOf('labelled-image', ['series']), {
        id: [...names],
        image: new Uint8Array(names.length * 48),
        label: names.map(() => 0),
        series: [...names],
      });
    expect(
      (await findings({ c: { train: idsOf(['food/flagon', 'people/man']) } }))['clip-art-exclusions'],
    ).toEqual([2, 0]);
    expect(
      (await findings({ c: { train: idsOf(['signs_and_symbols/flags/fr', 'people/smilies/happy']) } }))[
        'clip-art-exclusions'
      ],
    ).toEqual([2, 2]);
  });

  it('equal-images: no pixels of training are held out', async () => {
    const check = async (base: number) =>
      (await findings({ d: { train: labelled('digit', ['a', 'b']), test: labelled('digit', ['c'], base) } }))[
        'equal-images'
      ];
    expect(await check(2)).toEqual([1, 0]);
    expect(await check(1)).toEqual([1, 1]);
  });

  it('are all tested here', () => {
    expect(leakageRules().map(({ name }) => name)).toEqual([
      'emoji-concepts',
      'emoji-names',
      'wordnet-text',
      'wordnet-tasks',
      'bible-books',
      'held-out-documents',
      'sprite-sheets',
      'sprite-units',
      'clip-art-series',
      'clip-art-exclusions',
      'icon-bases',
      'digit-sides',
      'mail-subjects',
      'equal-images',
    ]);
  });
});
