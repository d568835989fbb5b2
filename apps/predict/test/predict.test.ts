import { formatRetrieval, predictGallery, predictImage, predictTexts } from '@polygate/app-predict';
import { silentLogger } from '@polygate/core';
import {
  taskPredictors,
  type CaptionPrediction,
  type ImagePredictor,
  type LabelPrediction,
  type TextPredictor,
} from '@polygate/tasks';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyRun } from '../../../packages/generalist/test/tiny-run.ts';
import { drawImage } from '../../../packages/generalist/test/tiny-suite.ts';

let scratch: string;
let run: string;
let images: string;
const engine = 'wasm' as const;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-predict-'));
  run = join(scratch, 'run');
  images = join(scratch, 'images');
  await writeTinyRun(run, 'nowhere');
  await mkdir(join(images, 'sub'), { recursive: true });
  const save = (colour: 'red' | 'blue', path: string) =>
    sharp(drawImage(colour, 'square', 1), { raw: { width: 8, height: 8, channels: 3 } })
      .png()
      .toFile(join(images, path));
  await save('red', 'red.png');
  await save('blue', join('sub', 'blue.png'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

describe('predictions from a run folder', () => {
  it('give values, the same each time, and free the model', async () => {
    await selectEngine({ engine: 'wasm' });
    const before = tf.memory().numTensors;
    const options = { run, engine, image: join(images, 'red.png'), labels: ['red', 'blue', 'a green bar'] };
    const labels = await predictImage<LabelPrediction>('classify', options);
    expect(labels.map(({ label }) => label).sort()).toEqual(['a green bar', 'blue', 'red']);
    expect(labels.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 5);
    expect(await predictImage<LabelPrediction>('classify', options)).toEqual(labels);
    const captions = await predictImage<CaptionPrediction>('caption', {
      run,
      engine,
      image: options.image,
      beam: 2,
      maximumTokens: 4,
    });
    expect(captions).toHaveLength(2);
    expect(captions[0]?.score).toBeGreaterThanOrEqual(captions[1]?.score ?? 0);
    const [words = []] = await predictTexts<unknown[]>('fill', {
      run,
      engine,
      texts: ['the ___ is red'],
      count: 3,
    });
    expect(words[0]).toHaveLength(3);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('warn of what the model was never trained on', async () => {
    const model = join(scratch, 'model');
    await cp(join(run, 'checkpoints', 'step-7'), model, { recursive: true });
    await rm(join(model, 'state.json'));
    const config = JSON.parse(await readFile(join(model, 'config.json'), 'utf8')) as object;
    const tasks = [{ name: 'colours', family: 'image-classification', dataset: 'colours' }];
    await writeFile(join(model, 'config.json'), JSON.stringify({ ...config, tasks }));
    const warned: string[] = [];
    const logger = { ...silentLogger, warn: (line: string) => void warned.push(line) };
    await predictTexts('fill', { run: model, engine, texts: ['the ___ is red'] }, { logger });
    expect(warned).toEqual([
      'this model was trained on no masked-language-modelling, only on image-classification: what it says here is a guess',
    ]);
  });

  it('compute in the precision of the run', async () => {
    const path = join(run, 'recipe.json');
    const record = await readFile(path, 'utf8');
    await writeFile(path, record.replace('"seed":11', '"seed":11,"precision":"bf16"'));
    const lines: string[] = [];
    const logger = { ...silentLogger, info: (line: string) => void lines.push(line) };
    await predictTexts('fill', { run, engine: 'wasm', texts: ['the ___ is red'] }, { logger });
    await writeFile(path, record);
    expect(lines[0]).toContain('engine wasm on cpu, f32');
    expect(lines[0]).toContain('as asked; bf16 needs torch');
  });

  it('search a folder and its sub-folders, and list what can not be read', async () => {
    const broken = join(scratch, 'broken');
    await mkdir(broken, { recursive: true });
    await sharp(drawImage('red', 'bar', 2), { raw: { width: 8, height: 8, channels: 3 } })
      .png()
      .toFile(join(broken, 'a.png'));
    await writeFile(join(broken, 'b.png'), 'no image');
    await writeFile(join(broken, 'notes.txt'), 'not looked at');
    const warnings: string[] = [];
    const logger = {
      debug: () => {},
      info: () => {},
      warn: (line: string) => warnings.push(line),
      error: () => {},
    };
    const all = await predictGallery('retrieve', { run, engine, text: 'a red square', images });
    expect(all.images.map(({ path }) => path).sort()).toEqual(['red.png', join('sub', 'blue.png')]);
    const some = await predictGallery(
      'retrieve',
      { run, engine, text: 'a red square', images: broken },
      { logger },
    );
    expect(some.images.map(({ path }) => path)).toEqual(['a.png']);
    expect(some.skipped.map(({ path }) => path)).toEqual(['b.png']);
    expect(warnings[0]).toMatch(/^skipped: image .*b.png/u);
  });

  it('say what is wrong with what they were given', async () => {
    await expect(
      predictImage<CaptionPrediction>('caption', { run, engine, image: join(images, 'none.png') }),
    ).rejects.toThrow('expected an image file, got nothing at its path');
    await expect(predictTexts('fill', { run, engine, texts: ['no blank'] })).rejects.toThrow(
      'expected a text with a blank ___',
    );
    await expect(
      predictImage<LabelPrediction>('classify', { run, engine, image: join(images, 'red.png'), labels: [] }),
    ).rejects.toThrow('classify: expected one or more labels that differ, got none');
    await expect(
      predictGallery('retrieve', { run, engine, text: 'x', images: join(scratch, 'absent') }),
    ).rejects.toThrow('expected a readable folder of images');
    await expect(
      predictGallery('retrieve', { run, engine, text: 'x', images: join(run, 'checkpoints') }),
    ).rejects.toThrow('expected images (PNG, JPEG, WebP, GIF, AVIF, TIFF or SVG)');
    await expect(predictTexts('fill', { run: scratch, engine, texts: ['___'] })).rejects.toThrow(
      'expected a model folder or a run with a checkpoint',
    );
  });
});

const predictorOf = (verb: string) => {
  const entry = taskPredictors().find(({ predictor }) => predictor.verb === verb);
  if (!entry) throw new Error(`expected a predictor for ${verb}`);
  return entry.predictor;
};

describe('formats', () => {
  it('print one prediction a line', () => {
    expect(
      (predictorOf('classify') as ImagePredictor).format([
        { label: 'cat', probability: 0.9234 },
        { label: 'dog', probability: 0.0766 },
      ]),
    ).toBe(' 92.3 %  cat\n  7.7 %  dog');
    expect(
      (predictorOf('caption') as ImagePredictor).format([{ text: 'a cat', tokens: [1], score: -0.5 }]),
    ).toBe(' -0.500  a cat');
    expect(
      formatRetrieval({
        images: [{ path: 'a.png', similarity: 0.25 }],
        searched: 3,
        skipped: [{ path: 'b.png', reason: 'x' }],
      }),
    ).toBe(' 0.250  a.png\n(3 images searched, 1 skipped)');
  });

  it('fill in the blanks and list the choices', () => {
    const fill = predictorOf('fill') as TextPredictor;
    const one = [
      { word: 'sea', probability: 0.5 },
      { word: 'sky', probability: 0.25 },
    ];
    expect(fill.format([one], 'the ___ is blue')).toBe('the sea is blue\nsea 50.0 %, sky 25.0 %');
    expect(fill.format([one, [{ word: 'blue', probability: 1 }]], 'the ___ is ____')).toBe(
      'the sea is blue\nblank 1: sea 50.0 %, sky 25.0 %\nblank 2: blue 100.0 %',
    );
  });
});
