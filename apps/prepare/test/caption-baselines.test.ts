/** Baselines of captions count all captions of an image, by the words of exact match. */
import { buildBatch, datasetMetadata, defineSchema, writeShards } from '@polygate/stream';
import { trainTokenizer } from '@polygate/tokens';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withBaselines } from '../src/suite-baselines.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'polygate-baselines-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it('finds the most frequent caption among all of them, and counts any that matches', async () => {
  const splits = {
    train: [
      ['one', 'a field'],
      ['two', 'a field'],
      ['two', 'three'],
    ],
    test: [['four', 'a field'], ['the field!'], ['five']],
  };
  const tokenizer = trainTokenizer(Object.values(splits).flat(2), { vocabularySize: 300, lowercase: false });
  const image = { height: 2, width: 2, channels: 3 };
  const schema = defineSchema(
    { id: 'utf8', image: { fixedList: 'uint8', size: 12 }, captions: { list: { list: 'int32' } } },
    datasetMetadata({ kind: 'captioned-image', image, tokenizer: tokenizer.hash }),
  );
  for (const [split, rows] of Object.entries(splits)) {
    const batch = buildBatch(schema, {
      id: rows.map((_, i) => `${split} ${i}`),
      image: new Uint8Array(12 * rows.length),
      captions: rows.map((texts) => texts.map((text) => Array.from(tokenizer.encode(text)))),
    });
    await writeShards(join(directory, 'photos', split), schema, [batch]);
  }
  const dataset = {
    name: 'photos',
    kind: 'captioned-image',
    splits: { train: { rows: 3 }, test: { rows: 3 } },
  } as const;
  const measured = await withBaselines(dataset, { directory, imageSize: 2, tokenizer });
  // "two" comes first twice, "a field" twice as well but earlier among all captions.
  expect(measured.mostFrequentCaption).toBe('a field');
  expect(measured.baselines).toEqual({ test: { mostFrequentCaptionExactMatch: 2 / 3 } });
});
