/** Video classification through the command line: animated images, prepared, trained, scored and asked about. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate, tinyModel } from './polygate.ts';

const SIDE = 16;
const FRAMES = 4;
let root = '';
const at = (...path: string[]): string => join(root, ...path);

/** An image of one grey. */
const frame = (grey: number): Buffer => Buffer.alloc(SIDE * SIDE * 3, grey);

/** Clips that stay dark or bright, and clips that do both: no frame alone tells the two kinds apart. */
const greys = (kind: 'steady' | 'blinking', i: number): readonly number[] => {
  const [dark, bright] = [20 + 2 * i, 235 - 2 * i];
  const first = i % 2 === 0 ? dark : bright;
  const second = kind === 'steady' ? first : i % 2 === 0 ? bright : dark;
  return [first, second, first, second];
};

/** The frames as an animation: sharp reads pages that lie below each other. */
const animation = (pixels: Buffer, format: 'webp' | 'gif'): Promise<Buffer> =>
  sharp(pixels, {
    raw: { width: SIDE, height: SIDE * FRAMES, channels: 3, pageHeight: SIDE },
  })
    .toFormat(format, { lossless: true, delay: Array.from({ length: FRAMES }, () => 100), loop: 0 })
    .toBuffer();

const writeClips = async (folder: string): Promise<void> => {
  for (const kind of ['steady', 'blinking'] as const) {
    await mkdir(join(folder, `${kind}_light`), { recursive: true });
    for (let i = 0; i < 24; i += 1) {
      const format = i % 4 < 2 ? 'webp' : 'gif';
      const file = join(folder, `${kind}_light`, `${i}.${format}`);
      await writeFile(file, await animation(Buffer.concat(greys(kind, i).map(frame)), format));
    }
  }
};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-video-'));
  await writeClips(at('clips'));
  await writeFile(
    at('prepare.json'),
    JSON.stringify({
      name: 'lights',
      image: { size: SIDE },
      tokenizer: { vocabularySize: 260 },
      video: { frames: FRAMES },
      sources: {
        lights: { source: 'video-folder', path: at('clips'), validationPercent: 0, testPercent: 25 },
      },
    }),
  );
  await writeFile(
    at('train.json'),
    JSON.stringify({
      suite: at('data', 'lights'),
      model: { ...tinyModel, width: 32, patchSize: SIDE, layerScale: 1, moe: null },
      tasks: { lights: { family: 'video-classification', dataset: 'lights', batchSize: 12, frames: FRAMES } },
      optimizer: { learningRate: 0.01 },
      steps: '120 steps',
      engine: 'auto',
      checkpoint: { every: '100%', keep: 1 },
      validation: { every: '100%', limit: 4 },
    }),
  );
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('video classification', () => {
  it('tells clips apart that no frame alone tells apart, and names its baselines', async () => {
    const prepared = await polygate('prepare', '--recipe', at('prepare.json'), '--out', at('data'));
    expect(prepared).toMatchObject({ code: 0 });
    const trained = await polygate('pretrain', '--recipe', at('train.json'), '--run', at('run'));
    expect(trained, trained.log).toMatchObject({ code: 0 });
    const more = [
      '--run',
      at('more'),
      '--set',
      'tasks.lights.frames=4',
      '--set',
      'model.modalities.visual.maxFrames=3',
    ];
    const refused = await polygate('pretrain', '--recipe', at('train.json'), ...more);
    expect(refused.log).toContain(
      'frames within the 3 temporal positions, got 4 from position 0; use fewer frames',
    );
    // Found before the folder is claimed.
    expect(existsSync(at('more', 'recipe.json'))).toBe(false);
    const evaluated = await polygate('evaluate', '--run', at('run'));
    expect(evaluated).toMatchObject({ code: 0 });
    const { scores } = JSON.parse(await readFile(at('run', 'evaluation.json'), 'utf8')) as {
      scores: { task: string; metric: string; value: number; baselines: Record<string, number> }[];
    };
    const [first] = scores;
    expect(first).toMatchObject({ task: 'lights video classification', metric: 'top-1', value: 1 });
    expect(Object.keys(first?.baselines ?? {})).toContain('majority');
    const probed = await polygate('evaluate', '--probe', '--run', at('run'), '--json');
    expect(probed, probed.log).toMatchObject({ code: 0 });
    const probes = JSON.parse(probed.out) as { scores: { task: string; metric: string; value: number }[] };
    expect(probes.scores[0]).toMatchObject({
      task: 'lights probe',
      metric: 'linear probe top-1',
      value: 1,
    });
  });

  it('answers about animations and folders of frames, and skips what is none', async () => {
    await mkdir(at('frames'), { recursive: true });
    for (let t = 0; t < FRAMES; t += 1) {
      const png = await sharp(frame(30), { raw: { width: SIDE, height: SIDE, channels: 3 } })
        .png()
        .toBuffer();
      await writeFile(at('frames', `frame-${t}.png`), png);
    }
    await writeFile(at('no-clip.gif'), 'text');
    const one = await polygate(
      'predict',
      'classify-video',
      at('clips', 'blinking_light', '3.gif'),
      '--run',
      at('run'),
    );
    expect(one.code).toBe(0);
    expect(one.out.split('\n')[0]).toMatch(/blinking light$/u);
    const several = await polygate(
      'predict',
      'classify-video',
      at('frames'),
      at('no-clip.gif'),
      '--run',
      at('run'),
      '--json',
    );
    expect(several.code).toBe(1);
    const [answer, error] = several.out
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(answer).toMatchObject({ clip: at('frames'), labels: [{ label: 'steady light' }, {}] });
    expect(error).toMatchObject({ clip: at('no-clip.gif'), error: expect.stringContaining('expected') });
  });
});
