/** Families of clips: the records of images with clips as their source. */
import { parseRow, rowKey } from '@polygate/attributes';
import { createBatchRandom, createRandom, type Random } from '@polygate/core';
import { datasetSchema } from '@polygate/datasets';
import { buildBatch } from '@polygate/stream';
import { trainTokenizer } from '@polygate/tokens';
import { describe, expect, it } from 'vitest';
import {
  caption,
  familySegments,
  retrieve,
  taskFamilyNamed,
  temperatureOf,
  type TaskModel,
} from '../src/index.ts';
import { clips } from '../src/visual/clips.ts';

const tokenizer = trainTokenizer(['a dog runs. a cat sleeps.'], { vocabularySize: 300, lowercase: true });
const image = { height: 1, width: 1, channels: 3, patch: 1 };

/** Rows of clips of `frames` frames of one pixel, whose value is the number of the frame. */
const rowsOf = (frames: readonly number[]) =>
  buildBatch(
    datasetSchema({
      kind: 'captioned-video',
      imageSize: 1,
      tokenizer: tokenizer.hash,
      settings: { frames: 16 },
    }),
    {
      id: frames.map((_, row) => `clip-${row}`),
      frames: frames.map((count) => Uint8Array.from({ length: 3 * count }, (_, i) => Math.floor(i / 3))),
      frame_count: [...frames],
      captions: frames.map((_, row) => [[...tokenizer.encode(`dog ${row}`)], [...tokenizer.encode('a dog')]]),
      concept: frames.map((_, row) => `video ${row}`),
    },
  );

/** Numbers of the frames of a row of patches: values are normalised as clips are. */
const shownFrames = (patches: Float32Array, row: number, frames: number): number[] =>
  Array.from(patches.subarray(3 * row * frames, 3 * (row + 1) * frames))
    .filter((_, i) => i % 3 === 0)
    .map((value) => Math.round((value * 0.5 + 0.5) * 255));

const taskOf = (family: string, settings: object) => {
  const record = taskFamilyNamed(family);
  const common = { family, dataset: 'd', split: 'train', lossWeight: 1, batchSize: 2, labelSmoothing: 0 };
  return record.create(`${family} task`, { ...common, ...settings } as never, {
    dataset: { name: 'd' },
    tokenizer,
    image,
  });
};

const framesOf = (family: string, rows: ReturnType<typeof rowsOf>, random: Random): number[][] => {
  const task = taskOf(family, { frames: 3, stride: 2, views: 1 });
  const { inputs } = task.collate(rows, { random, training: true });
  const patches = inputs.segments[0]?.arrays['patches'] as Float32Array;
  return Array.from({ length: rows.numRows }, (_, row) => shownFrames(patches, row, 3));
};

describe('families of clips', () => {
  it.each([
    // Uni-Perceiver-MoE, Table 2 and the look-up table of its appendix: those of images.
    ['video-captioning', ['11011001', '11010111', '11010100'], 'image-captioning'],
    ['video-text-retrieval', ['10011001', '10010100'], 'image-text-retrieval'],
    ['video-classification', ['10011001', '10010100'], 'video-classification'],
  ])('%s has the published attribute rows, and the published temperature', (family, rows, temperature) => {
    expect(familySegments(family).map(({ row }) => rowKey(row))).toEqual(
      rows.map((row) => rowKey(parseRow(row))),
    );
    expect(temperatureOf(taskFamilyNamed(family))).toBe(temperature);
  });

  it.each(['video-captioning', 'video-text-retrieval'])(
    '%s draws the start of each clip by its place in the global batch',
    (family) => {
      // Three frames, every second: starts of 12 frames are 0 to 12 - 5 = 7.
      const batch = (first: number, seed = 1) =>
        createBatchRandom({ samples: createRandom(seed).fork('s'), step: createRandom(9), first });
      const whole = framesOf(family, rowsOf(Array.from({ length: 8 }, () => 12)), batch(16));
      const halves = [16, 20].flatMap((first) => framesOf(family, rowsOf([12, 12, 12, 12]), batch(first)));
      expect(halves).toEqual(whole);
      const starts = whole.map(([start = -1]) => start);
      expect(whole).toEqual(starts.map((start) => [start, start + 2, start + 4]));
      expect(new Set(starts).size).toBeGreaterThan(3);
      expect(Math.max(...starts)).toBeLessThanOrEqual(7);
    },
  );

  it('lay a clip out frame after frame in front of its caption', () => {
    const task = taskOf('video-captioning', { frames: 2, stride: 1, views: 1 });
    const batch = task.collate(rowsOf([4, 4]), { random: createRandom(1), training: false });
    const [visual, text] = batch.inputs.segments;
    expect([visual?.length, text?.length]).toEqual([2, 2 * (tokenizer.encode('dog 0').length + 1)]);
    // Outside training the view lies in the middle: of starts 0 to 2 it is 1.
    expect(shownFrames(visual?.arrays['patches'] as Float32Array, 1, 2)).toEqual([1, 2]);
  });

  it('show views spread evenly from the first frame to the last', () => {
    const shown = clips.shown({
      name: 't',
      family: 'video-captioning',
      dataset: 'd',
      settings: { frames: 4, stride: 2, views: 4 },
    });
    const sample = { frames: 16, pixels: Uint8Array.from({ length: 48 }, (_, i) => Math.floor(i / 3)) };
    // 7 of 16 frames: starts 0 to 9, four of them: 0, 3, 6, 9.
    const views = [0, 3, 6, 9].map((start) => [start, start + 2, start + 4, start + 6]);
    const all = shown.views(sample, image);
    expect(views.map((_, view) => shownFrames(all.patches, view, 4))).toEqual(views);
    expect(views.map((_, view) => shownFrames(shown.patches([sample], image, view).patches, 0, 4))).toEqual(
      views,
    );
  });
});

/** A model whose scores are the mean of the patches that it sees; of tokens 0, that mean, and its negative. */
const meanModel = (): TaskModel => {
  const vocabulary = { size: 3 };
  return {
    tokenizer,
    image,
    vocabulary: { size: 3, whole: () => vocabulary },
    maximumTokens: 8,
    tasks: [],
    scores: ({ inputs, queries }: Parameters<TaskModel['scores']>[0]) => {
      const patches = inputs.segments[0]?.arrays['patches'] as Float32Array;
      const each = patches.length / inputs.size;
      const means = Array.from({ length: inputs.size }, (_, row) =>
        patches.subarray(row * each, (row + 1) * each).reduce((sum, value) => sum + value / each, 0),
      );
      if (queries === 'prefix') return Promise.resolve(Float32Array.from(means));
      const logits = Array.from(queries, (query) => means[Math.floor(query / inputs.length)] ?? 0);
      return Promise.resolve(Float32Array.from(logits.flatMap((mean) => [0, mean, -mean])));
    },
  } as unknown as TaskModel;
};

describe('views of clips', () => {
  const patches = (values: readonly number[]) => ({
    size: values.length,
    patches: Float32Array.from(values),
    patchCount: 1,
    patchWidth: 1,
    grid: { rows: 1, columns: 1, frames: 1 },
  });

  it('are averaged by the probabilities of the next token', async () => {
    // Logits [0, m, -m] of two views with m = 2 and m = -2: the means of the probabilities are e^0, cosh 2, cosh 2 over
    // 1 + e^2 + e^-2, so that token 1 is as likely as token 2, and each view alone would say otherwise.
    const model = {
      ...meanModel(),
      tokenizer: { ...tokenizer, specials: { spe: 9, endoftext: 0 }, decode: String },
    };
    const options = { beam: 2, maximumTokens: 2, lengthPenalty: 0 };
    const views = [patches([2]), patches([-2])];
    const [both = []] = await caption(model as unknown as TaskModel, views, options);
    expect(both).toHaveLength(2);
    const sum = 1 + Math.exp(2) + Math.exp(-2);
    const [word, end] = [Math.cosh(2) / sum, 1 / sum];
    for (const { score } of both) expect(score).toBeCloseTo(Math.log(word * end), 5);
    const [one = []] = await caption(model as unknown as TaskModel, patches([2]), options);
    expect(one[0]?.score).toBeCloseTo(Math.log((Math.exp(2) / sum) * end), 5);
  });

  it('are averaged by their cosines in retrieval', async () => {
    // Clips of two views each: means .1, .4 and -.3.
    const model = meanModel();
    const matches = await retrieve(
      model,
      { text: 'a dog', family: 'video-text-retrieval', views: 2 },
      patches([0.2, 0, 0.5, 0.3, -0.5, -0.1]),
    );
    expect(matches.map(({ index }) => index)).toEqual([1, 0, 2]);
    expect(matches[0]?.similarity).toBeCloseTo(0.4, 6);
  });
});
