/** Evaluation at its edges: several captions an image, captions that images share, suites with nothing to score. */
import { createRandom } from '@polygate/core';
import { kindNamed, registerKind } from '@polygate/datasets';
import {
  buildTaskSources,
  evaluateSuite,
  makeTask,
  openSuite,
  parseRecipe,
  type UniPerceiverModel,
} from '@polygate/generalist';
import { buildBatch, datasetMetadata, defineSchema, writeShards } from '@polygate/stream';
import { saveTokenizer } from '@polygate/tokens';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { taskLoss } from '../src/models/uni-perceiver/loss.ts';
import { drawImage, tinyModel, tinyTokenizer } from './tiny-suite.ts';

const colours = ['red', 'green', 'blue', 'white'] as const;
const tokenizer = tinyTokenizer();
const folders: string[] = [];
let model: UniPerceiverModel;

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  model = tinyModel();
});

afterAll(async () => {
  model.dispose();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

interface CaptionedSplit {
  readonly captions: readonly (readonly string[])[];
  readonly concepts?: readonly string[];
}

const captionedBatch = ({ captions, concepts }: CaptionedSplit) => {
  const schema = defineSchema(
    {
      id: 'utf8',
      image: { fixedList: 'uint8', size: 192 },
      captions: { list: { list: 'int32' } },
      ...(concepts ? { concept: 'utf8' as const } : {}),
    },
    datasetMetadata({
      kind: 'captioned-image',
      image: { height: 8, width: 8, channels: 3 },
      tokenizer: tokenizer.hash,
    }),
  );
  const pixels = captions.map((_, i) => drawImage(colours[i % 4] ?? 'red', i % 8 < 4 ? 'square' : 'bar', i));
  return buildBatch(schema, {
    id: captions.map((_, i) => `image ${i}`),
    image: new Uint8Array(Buffer.concat(pixels)),
    captions: captions.map((texts) => texts.map((text) => Array.from(tokenizer.encode(text)))),
    ...(concepts ? { concept: [...concepts] } : {}),
  });
};

/** A suite of one captioned dataset, and of others that are only named. */
const writeSuite = async (
  splits: Readonly<Record<string, CaptionedSplit>>,
  others: readonly unknown[] = [],
): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'polygate-edges-'));
  folders.push(folder);
  await saveTokenizer(tokenizer, join(folder, 'tokenizer.json'));
  for (const [split, captions] of Object.entries(splits)) {
    const batch = captionedBatch(captions);
    await writeShards(join(folder, 'images', split), batch.schema, [batch]);
  }
  const rows = Object.entries(splits).map(([split, { captions }]) => [split, { rows: captions.length }]);
  const images = { name: 'images', kind: 'captioned-image', splits: Object.fromEntries(rows) as unknown };
  await writeFile(
    join(folder, 'suite.json'),
    JSON.stringify({
      name: 'edges',
      version: 1,
      image: { height: 8, width: 8 },
      textLength: 32,
      tokenizerHash: tokenizer.hash,
      datasets: [...(rows.length > 0 ? [images] : []), ...others],
      quarantine: {},
      recipeHash: 'edges',
    }),
  );
  return folder;
};

const fiveCaptions = (i: number): readonly string[] =>
  ['night', 'dark', 'square', 'bar', 'the'].map((word) => `${word} ${i} ${colours[i % 4] ?? ''}`);

const scoresOf = async (folder: string) => {
  await using data = await openSuite(folder);
  const reports = await evaluateSuite(model, data, {
    predict: { 'image-captioning': { maximumTokens: 4, beam: 1 } },
  });
  return (metric: string) => {
    const report = reports.find((each) => each.metric === metric);
    if (!report) throw new Error(`no ${metric}`);
    return report;
  };
};

/** A kind that no family reads. */
registerKind({ ...kindNamed('text'), name: 'labelled-sound', summary: 'sounds with one class each' });

describe('retrieval with several captions an image', () => {
  it('is over all 90 texts of 18 images, every caption a query', async () => {
    const captions = Array.from({ length: 18 }, (_, i) => fiveCaptions(i));
    const training = {
      captions: [['a red square', 'the night is dark', 'the night is dark'], ['a blue bar']],
    };
    const of = await scoresOf(await writeSuite({ train: training, test: { captions } }));
    const text = of('text recall@1');
    expect(text.gallery).toEqual({ images: 18, texts: 90 });
    expect(text.count).toBe(18);
    expect(text.chance).toBeCloseTo(5 / 90, 12);
    expect(of('text recall@10').chance).toBeCloseTo(
      1 - (80 * 79 * 78 * 77 * 76) / (90 * 89 * 88 * 87 * 86),
      12,
    );
    const images = of('image recall@5');
    expect(images.count).toBe(90);
    expect(images.chance).toBeCloseTo(5 / 18, 12);
    expect(images.gallery).toEqual({ images: 18, texts: 90 });
    expect(Object.keys(text.baselines)).toEqual(['nearest image']);
    // All captions of training are counted for the most frequent one: "night 1 green" shares a word with it, of 3 and 3
    // without the article.
    expect(of('token-F1').baselines['most frequent']).toBeGreaterThan(0);
    expect(of('token-F1').count).toBe(18);
  });

  it('takes captions that images share for one text, right for each', async () => {
    // One caption for all: whatever the model says is right.
    const shared = Array.from({ length: 4 }, () => ['a red square', 'a red square']);
    const of = await scoresOf(await writeSuite({ test: { captions: shared } }));
    expect(of('text recall@1')).toMatchObject({ value: 1, chance: 1 });
    expect(of('image recall@1')).toMatchObject({ value: 1, chance: 1, count: 8 });
    expect(of('text recall@1').gallery).toEqual({ images: 4, texts: 8, 'different texts': 1 });
  });

  it('draws images of one concept together, and those without one alone', async () => {
    const captions = Array.from({ length: 4 }, () => ['a red square']);
    const of = async (concepts: readonly string[]) =>
      (await scoresOf(await writeSuite({ test: { captions, concepts } })))('text recall@1').interval[0];
    // Four right of one group, of two, of four: exact intervals of 1, 2 and 4 samples.
    expect(await of(['a', 'a', 'a', 'a'])).toBeCloseTo(0.025, 10);
    expect(await of(['a', 'a', 'b', 'b'])).toBeCloseTo(Math.sqrt(0.025), 10);
    expect(await of(['', '', '', ''])).toBeCloseTo(0.025 ** (1 / 4), 10);
  });

  it('counts a shared caption as right in the accuracy of a batch, and half for one of two that tie', async () => {
    const batchOf = (captions: readonly (readonly string[])[]) =>
      makeTask(
        'finding',
        {
          family: 'image-text-retrieval',
          dataset: 'images',
          split: 'train',
          batchSize: 2,
          lossWeight: 1,
          labelSmoothing: 0,
        } as never,
        {
          suite: { datasets: [{ name: 'images', kind: 'captioned-image', splits: {} }] } as never,
          tokenizer,
          image: model.image,
          vocabulary: model.vocabulary,
        },
      ).collate(captionedBatch({ captions }), { random: createRandom(1), training: false });
    const { loss, metrics } = taskLoss(model, batchOf([['a red square'], ['a red square']]), {
      training: false,
    });
    expect((await metrics.accuracy?.data())?.[0]).toBe(1);
    tf.dispose([loss, metrics.accuracy]);
    // Without the mark of the same meaning both captions tie, and one of them is right.
    const { same: _, ...unmarked } = batchOf([['a red square'], ['a red square']]);
    const half = taskLoss(model, unmarked, { training: false });
    expect((await half.metrics.accuracy?.data())?.[0]).toBe(0.5);
    tf.dispose([half.loss, half.metrics.accuracy]);
  });
});

describe('a suite with nothing to score', () => {
  const refusal = async (folder: string, options = {}): Promise<string> => {
    await using data = await openSuite(folder);
    return evaluateSuite(model, data, options).then(
      () => 'no error',
      (error: unknown) => (error as Error).message,
    );
  };
  const captions = [['a red square']];

  it('is an error that says what was looked for and what is there', async () => {
    const training = await writeSuite({ train: { captions } });
    expect(await refusal(training)).toContain(
      'got no split beside train in images; the suite holds images (captioned-image: train 1). Prepare it again with validationPercent and testPercent,',
    );
    const reviews = {
      name: 'reviews',
      kind: 'labelled-sound',
      classes: ['good', 'bad'],
      splits: { train: { rows: 3 }, test: { rows: 2 } },
    };
    expect(await refusal(await writeSuite({}, [reviews]))).toContain(
      'got none in the split test of reviews; the suite holds reviews (labelled-sound: train 3, test 2). What is scored: image-classification reads labelled-image',
    );
    const empty = await writeSuite({ train: { captions }, test: { captions: [] } });
    expect(await refusal(empty)).toContain('images (captioned-image: train 1, test 0)');
    const both = await writeSuite({ train: { captions }, test: { captions } }, [reviews]);
    expect(await refusal(both, { datasets: ['reviews'] })).toContain(
      'got none in the split test of reviews;',
    );
    expect(await refusal(training, { splits: ['train'] })).toBe('no error');
  });

  it('is told apart from one without a split to train on', async () => {
    const refused = async (folder: string): Promise<string> => {
      await using data = await openSuite(folder);
      return buildTaskSources(data, parseRecipe({ tasks: {} }), { image: model.image }).then(
        () => 'no error',
        (error: unknown) => (error as Error).message,
      );
    };
    const reviews = { name: 'reviews', kind: 'labelled-sound', splits: { train: { rows: 3 } } };
    expect(await refused(await writeSuite({}, [reviews]))).toContain(
      'expected a dataset of labelled-image, text, captioned-image, ',
    );
    expect(await refused(await writeSuite({}, [reviews]))).toContain(
      '(image-classification reads labelled-image, masked-language-modelling reads text,',
    );
    expect(await refused(await writeSuite({}, [reviews]))).toContain(
      'got reviews (labelled-sound: train 3); prepare',
    );
    const empty = await writeSuite({ train: { captions: [] }, test: { captions } });
    expect(await refused(empty)).toContain('got images (captioned-image: train 0, test 1);');
  });

  it('does not stand in the way of what can be scored, and says what is left out', async () => {
    const lines: string[] = [];
    const logger = {
      debug: () => {},
      info: () => {},
      warn: (line: string) => lines.push(line),
      error: () => {},
    };
    const reviews = { name: 'reviews', kind: 'labelled-sound', splits: { test: { rows: 2 } } };
    await using data = await openSuite(await writeSuite({ test: { captions } }, [reviews]));
    const reports = await evaluateSuite(model, data, {
      logger,
      predict: { 'image-captioning': { maximumTokens: 3, beam: 1 } },
    });
    expect(reports.length).toBeGreaterThan(0);
    expect(lines).toEqual(['reviews, test: left out, since no task scores labelled-sound']);
  });
});
