import { exportRun, formatExport, predictImage, predictTexts } from '@polygate/app-predict';
import type { CaptionPrediction, LabelPrediction } from '@polygate/tasks';
import { saveModel } from '@polygate/generalist';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conditionalModel, drawImage } from '../../../packages/generalist/test/tiny-suite.ts';

const engine = 'wasm' as const;
let scratch: string;
let image: string;

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  scratch = await mkdtemp(join(tmpdir(), 'polygate-export-'));
  image = join(scratch, 'red.png');
  await sharp(drawImage('red', 'square', 1), { raw: { width: 8, height: 8, channels: 3 } })
    .png()
    .toFile(image);
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const saved = async (name: string, moe: Parameters<typeof conditionalModel>[0]): Promise<string> => {
  using model = conditionalModel(moe, 3);
  await saveModel(model, join(scratch, name));
  return join(scratch, name);
};

describe('export', () => {
  it('writes a model that predicts what the run does, for its tasks alone, and frees everything', async () => {
    const run = await saved('attribute', { condition: 'attribute', experts: 4 });
    const output = join(scratch, 'merged');
    const before = tf.memory().numTensors;
    const result = await exportRun({ run, engine, output, tasks: ['naming', 'writing'] });
    // Image and class name; caption's image, words, vocabulary.
    expect(result).toMatchObject({ tasks: ['naming', 'writing'], condition: 'attribute', sets: 5 });
    expect(result.parameters.exported).toBeGreaterThan(result.parameters.trained * 0.5);
    const labels = ['red', 'blue'];
    const [trained, exported] = [
      await predictImage<LabelPrediction>('classify', { run, engine, image, labels }),
      await predictImage<LabelPrediction>('classify', { run: output, engine, image, labels }),
    ];
    expect(exported.map(({ label }) => label)).toEqual(trained.map(({ label }) => label));
    expect(exported[0]?.probability).toBeCloseTo(trained[0]?.probability ?? 0, 4);
    const written = await predictImage<CaptionPrediction>('caption', {
      run: output,
      engine,
      image,
      maximumTokens: 2,
    });
    const expected = await predictImage<CaptionPrediction>('caption', {
      run,
      engine,
      image,
      maximumTokens: 2,
    });
    expect(written.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
    expect(tf.memory().numTensors).toBe(before);
    await expect(predictTexts('fill', { run: output, engine, texts: ['the ___'] })).rejects.toThrow(
      /expected a row that this merged model was exported with: .* \(polygate export --tasks\)/u,
    );
  });

  it('writes the model as it was trained, experts and routers with it', async () => {
    const run = await saved('experts', { condition: 'attribute', experts: 4 });
    const output = join(scratch, 'trained');
    const result = await exportRun({ run, engine, output, form: 'trained', dtype: 'BF16' });
    expect(result).toEqual({
      output,
      form: 'trained',
      tasks: ['naming', 'writing', 'finding', 'reading'],
      parameters: { trained: result.parameters.trained, exported: result.parameters.trained },
    });
    expect(formatExport(result)).toContain('as it was trained');
    const texts = ['the ___'];
    const [trained = []] = (await predictTexts('fill', { run, engine, texts })) as { token: string }[][];
    const [exported = []] = (await predictTexts('fill', { run: output, engine, texts })) as {
      token: string;
    }[][];
    expect(exported[0]?.token).toBe(trained[0]?.token);
  });

  it('takes all tasks unless told, and halves the file in bf16', async () => {
    const run = await saved('task', { condition: 'task', experts: 2 });
    const [whole, half] = [join(scratch, 'f32'), join(scratch, 'bf16')];
    const { tasks, sets } = await exportRun({ run, engine, output: whole });
    expect([tasks, sets]).toEqual([['naming', 'writing', 'finding', 'reading'], 4]);
    await exportRun({ run, engine, output: half, dtype: 'BF16' });
    const size = async (folder: string) => (await stat(join(folder, 'model.safetensors'))).size;
    expect((await size(half)) / (await size(whole))).toBeLessThan(0.6);
    const [label] = await predictImage<LabelPrediction>('classify', {
      run: half,
      engine,
      image,
      labels: ['red', 'blue'],
      task: 'naming',
    });
    expect(label?.label).toMatch(/red|blue/u);
  });

  it('says what it cannot export, and overwrites no model', async () => {
    const byToken = await saved('token', { condition: 'token', experts: 2 });
    const output = join(scratch, 'none');
    await expect(exportRun({ run: byToken, engine, output })).rejects.toThrow(
      'got the condition "token", by which every token chooses its own',
    );
    await expect(exportRun({ run: byToken, engine, output, tasks: ['sailing'] })).rejects.toThrow(
      'unknown task "sailing": known: finding, naming, reading, writing',
    );
    await expect(exportRun({ run: byToken, engine, output: byToken })).rejects.toThrow(
      `export: expected a folder without a model, got ${byToken}, which has a config.json; choose another --out folder, or delete this one`,
    );
  });

  it('is told in two lines', () => {
    const parameters = { trained: 124_604_933, exported: 167_113_733 };
    const result = {
      output: 'out',
      form: 'model',
      tasks: ['a', 'b'],
      condition: 'attribute',
      sets: 2,
      parameters,
    } as const;
    expect(formatExport(result)).toBe(
      'a, b: 2 merged sets by attribute, 124.60M -> 167.11M parameters\nwritten: out (predict and evaluate take it as --run)',
    );
  });
});
