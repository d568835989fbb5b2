/** A prepared suite of a few made-up images and sentences, and a model small enough for the wasm engine. */
import { createRandom } from '@polygate/core';
import type { EncoderConfig, ExpertConfig, UniPerceiver } from '@polygate/encoder';
import {
  createUniPerceiverModel,
  openSuite,
  type OpenSuite,
  type UniPerceiverModel,
} from '@polygate/generalist';
import { datasetSchema, kindNamed } from '@polygate/datasets';
import type { TrainedTask } from '@polygate/tasks';
import { buildBatch, datasetMetadata, defineSchema, writeShards } from '@polygate/stream';
import { saveTokenizer, trainTokenizer, type Tokenizer } from '@polygate/tokens';
import { selectEngine } from '@polygate/tensor';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

const colours = {
  red: [220, 30, 30],
  green: [30, 200, 40],
  blue: [30, 40, 220],
  white: [240, 240, 240],
} as const;
const shapes = ['square', 'bar'] as const;
const SIDE = 8;

export const classes = Object.keys(colours);

const tinyTexts = classes.flatMap((colour) =>
  shapes.map((shape) => `the ${shape} is ${colour} and the night is dark`),
);

export const tinyTokenizer = (): Tokenizer =>
  trainTokenizer(
    [...tinyTexts, ...classes.flatMap((colour) => shapes.map((shape) => `a ${colour} ${shape}`))],
    {
      vocabularySize: 300,
      lowercase: true,
    },
  );

/** An 8 x 8 image of a shape on black, with a little noise. */
export const drawImage = (
  colour: keyof typeof colours,
  shape: (typeof shapes)[number],
  seed: number,
): Uint8Array => {
  const random = createRandom(seed);
  const pixels = new Uint8Array(SIDE * SIDE * 3);
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      const inside = shape === 'square' ? x >= 2 && x < 6 && y >= 2 && y < 6 : x < 3;
      for (let c = 0; c < 3; c += 1) {
        const base = inside ? colours[colour][c as 0 | 1 | 2] : 10;
        pixels[(y * SIDE + x) * 3 + c] = Math.min(255, base + random.integer(12));
      }
    }
  }
  return pixels;
};

const samples = (repeats: number, salt: number) =>
  Array.from({ length: repeats }, (_, repeat) =>
    classes.flatMap((colour, label) =>
      shapes.map((shape, s) => ({
        id: `${colour}-${shape}-${repeat}`,
        label,
        pixels: drawImage(colour as keyof typeof colours, shape, salt + 100 * repeat + 10 * label + s),
        caption: `a ${colour} ${shape}`,
        concept: `${colour}-${shape}`,
      })),
    ),
  ).flat();

/** Writes a suite and returns its folder. */
export const writeTinySuite = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'polygate-tiny-'));
  const tokenizer = tinyTokenizer();
  await saveTokenizer(tokenizer, join(folder, 'tokenizer.json'));
  const image = { height: SIDE, width: SIDE, channels: 3 };
  const pixels = { fixedList: 'uint8', size: SIDE * SIDE * 3 } as const;
  const splits = { train: samples(2, 1), test: samples(1, 5000) };
  const rowsOf = { train: { rows: splits.train.length }, test: { rows: splits.test.length } };
  for (const [split, rows] of Object.entries(splits)) {
    const labelled = defineSchema(
      { id: 'utf8', image: pixels, label: 'int32' },
      datasetMetadata({ kind: 'labelled-image', image, classes }),
    );
    const columns = {
      id: rows.map(({ id }) => id),
      image: Buffer.concat(rows.map((row) => row.pixels)),
    };
    await writeShards(join(folder, 'colours', split), labelled, [
      buildBatch(labelled, {
        ...columns,
        image: new Uint8Array(columns.image),
        label: rows.map(({ label }) => label),
      }),
    ]);
    const captioned = defineSchema(
      { id: 'utf8', image: pixels, captions: { list: { list: 'int32' } }, concept: 'utf8' },
      datasetMetadata({ kind: 'captioned-image', image, tokenizer: tokenizer.hash }),
    );
    await writeShards(join(folder, 'images', split), captioned, [
      buildBatch(captioned, {
        ...columns,
        image: new Uint8Array(columns.image),
        captions: rows.map(({ caption }) => [Array.from(tokenizer.encode(caption))]),
        concept: rows.map(({ concept }) => concept),
      }),
    ]);
    const text = defineSchema(
      { id: 'utf8', tokens: { list: 'int32' }, words: { list: 'int32' } },
      datasetMetadata({ kind: 'text', tokenizer: tokenizer.hash }),
    );
    const tokens = tinyTexts.map((line) => [
      ...Array.from(tokenizer.encode(line)),
      tokenizer.specials.endoftext,
    ]);
    await writeShards(join(folder, 'lines', split), text, [
      buildBatch(text, {
        id: tinyTexts.map((_, i) => `line-${i}`),
        tokens,
        words: tokens.map((ids) => Array.from(tokenizer.words(ids))),
      }),
    ]);
  }
  const lines = { train: { rows: tinyTexts.length }, test: { rows: tinyTexts.length } };
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'suite.json'),
    JSON.stringify({
      name: 'tiny',
      version: 1,
      image: { height: SIDE, width: SIDE },
      textLength: 32,
      tokenizerHash: tokenizer.hash,
      datasets: [
        { name: 'colours', kind: 'labelled-image', splits: rowsOf, classes },
        { name: 'images', kind: 'captioned-image', splits: rowsOf },
        { name: 'lines', kind: 'text', splits: lines },
      ],
      quarantine: {},
      recipeHash: 'tiny',
    }),
  );
  return folder;
};

/** Tasks on the datasets that {@link addTextsAndClips} makes. */
export const textAndClipTasks: readonly TrainedTask[] = [
  { name: 'judging', family: 'text-classification', dataset: 'notes' },
  { name: 'watching', family: 'video-classification', dataset: 'clips' },
];

/** Made-up labelled texts and clips of six frames, eight each, beside what a tiny suite has. */
export const addTextsAndClips = async (folder: string): Promise<void> => {
  const tokenizer = tinyTokenizer();
  const path = join(folder, 'suite.json');
  const suite = JSON.parse(await readFile(path, 'utf8')) as { datasets: object[] };
  const rows = 8;
  for (const [name, kind] of [
    ['notes', 'labelled-text'],
    ['clips', 'labelled-video'],
  ] as const) {
    const { needsTokenizer, synthetic } = kindNamed(kind);
    const settings = { frames: 6 };
    const schema = datasetSchema({
      kind,
      imageSize: SIDE,
      classes,
      settings,
      ...(needsTokenizer ? { tokenizer: tokenizer.hash } : {}),
    });
    const columns = synthetic({
      rows,
      imageSize: SIDE,
      textLength: 8,
      tokenizer,
      words: classes,
      classes,
      random: createRandom(5).fork(name),
      settings,
    });
    await writeShards(join(folder, name, 'train'), schema, [buildBatch(schema, columns)]);
    suite.datasets.push({ name, kind, splits: { train: { rows } }, classes });
  }
  await writeFile(path, JSON.stringify(suite));
};

const tinyEncoder = (vocabularySize: number, moe: ExpertConfig | undefined): EncoderConfig => ({
  layers: 1,
  width: 16,
  heads: 2,
  hidden: 32,
  vocabularySize,
  patch: { size: 4, channels: 3 },
  maxPositions: 32,
  maxFrames: 1,
  layerScale: 0.5,
  ...(moe ? { moe } : {}),
});

/** A task of each family on the datasets of the tiny suite, named after neither. */
export const tinyTasks: readonly TrainedTask[] = [
  { name: 'naming', family: 'image-classification', dataset: 'colours' },
  { name: 'writing', family: 'image-captioning', dataset: 'images' },
  { name: 'finding', family: 'image-text-retrieval', dataset: 'images' },
  { name: 'reading', family: 'masked-language-modelling', dataset: 'lines' },
];

/** A model that was trained on {@link tinyTasks}, routed by a condition. */
export const conditionalModel = (moe: ExpertConfig | undefined, seed = 1): UniPerceiverModel<UniPerceiver> =>
  tinyModel(seed, {
    moe: moe && { tasks: tinyTasks.map(({ name }) => name), ...moe },
    tasks: tinyTasks,
  });

export const tinyModel = (
  seed = 1,
  { moe, tasks }: { readonly moe: ExpertConfig | undefined; readonly tasks?: readonly TrainedTask[] } = {
    moe: { experts: 3, topK: 2 },
  },
): UniPerceiverModel<UniPerceiver> => {
  const tokenizer = tinyTokenizer();
  return createUniPerceiverModel(
    {
      encoder: tinyEncoder(tokenizer.size, moe),
      image: { height: SIDE, width: SIDE, channels: 3 },
      tokenizerHash: tokenizer.hash,
      maximumTokens: 12,
      ...(tasks ? { tasks } : {}),
    },
    tokenizer,
    createRandom(seed),
  );
};

/** A tiny suite for the tests of a file, which is there while they run. */
export interface TinySuite {
  readonly data: OpenSuite;
  /** A folder for what the tests write. */
  readonly scratch: string;
}

/** Writes and opens a suite before the tests of a file on the wasm engine, and removes it after them. */
export const useTinySuite = (): TinySuite => {
  const suite = {} as { folder: string; data: OpenSuite; scratch: string };
  beforeAll(async () => {
    await selectEngine({ engine: 'wasm' });
    suite.folder = await writeTinySuite();
    suite.data = await openSuite(suite.folder);
    suite.scratch = await mkdtemp(join(tmpdir(), 'polygate-generalist-'));
  });
  afterAll(async () => {
    await suite.data.close();
    await rm(suite.folder, { recursive: true, force: true });
    await rm(suite.scratch, { recursive: true, force: true });
  });
  return suite;
};
