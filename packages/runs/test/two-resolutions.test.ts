/** A run that goes on at another image size: the grid of patches is rescaled, images are resized as they are read. */
import { parseRecipe, resizedSuite, openSuite, type RecipeInput } from '@polygate/generalist';
import { openRun, trainRecipe } from '@polygate/runs';
import { fixedListRow, fixedListSize, readDatasetMetadata, values } from '@polygate/stream';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addTextsAndClips, writeTinySuite } from '../../generalist/test/tiny-suite.ts';

let suite = '';
let scratch = '';
beforeAll(async () => {
  suite = await writeTinySuite();
  await addTextsAndClips(suite);
  scratch = await mkdtemp(join(tmpdir(), 'polygate-resolutions-'));
});
afterAll(async () => {
  await rm(suite, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
});

const recipe = (change: RecipeInput) =>
  parseRecipe({
    suite,
    steps: '2 steps',
    engine: 'wasm',
    model: { preset: 'mini', layers: 1, width: 16, heads: 2, hidden: 32, patchSize: 4, maxPositions: 32 },
    checkpoint: { every: '1 step', keep: 3 },
    tasks: {
      naming: { family: 'image-classification', dataset: 'colours', batchSize: 4 },
      watching: { family: 'video-classification', dataset: 'clips', batchSize: 2, frames: 2 },
    },
    ...change,
  });

describe('a suite at another size', () => {
  it('has its images and clips resized, and all else as it was', async () => {
    await using data = await openSuite(suite);
    const large = resizedSuite(data, 12);
    expect(large.suite.image).toMatchObject({ height: 12, width: 12 });
    const [small, shards] = await Promise.all([
      data.shards('colours', 'train'),
      large.shards('colours', 'train'),
    ]);
    const batch = await shards.read([3, 0]);
    expect(fixedListSize(batch, 'image')).toBe(12 * 12 * 3);
    expect(readDatasetMetadata(shards.schema)).toMatchObject({
      image: { height: 12, width: 12, channels: 3 },
    });
    const before = await small.read([3, 0]);
    expect([...values(batch, 'label')]).toEqual([...values(before, 'label')]);
    // The means stay, up to the filter's overshoot at edges.
    const mean = (pixels: ArrayLike<number>): number =>
      Array.from(pixels).reduce((a, b) => a + b, 0) / pixels.length;
    const [was, is] = [before, batch].map((rows) => mean(fixedListRow(rows, 'image', 0)));
    expect(Math.abs((was ?? 0) - (is ?? 0))).toBeLessThan(4);
    const clips = await (await large.shards('clips', 'train')).read([1]);
    expect(clips.getChild('frames')?.get(0)?.length).toBe(6 * 12 * 12 * 3);
    expect(resizedSuite(data, 8)).toBe(data);
  });
});

describe('a schedule of two resolutions', () => {
  it('goes on with the weights on a grid that spans the same coordinates', async () => {
    const first = join(scratch, 'first');
    await trainRecipe({ recipe: recipe({}), run: first });
    const run = join(scratch, 'second');
    const second = recipe({ image: { size: 16 }, initialize: { from: first } });
    await trainRecipe({ recipe: second, run });
    // 8 pixels by patches of 4 are a grid of 2; 16 pixels one of 4.
    const start = JSON.parse(await readFile(join(run, 'initialize.json'), 'utf8')) as Record<string, unknown>;
    expect(start).toMatchObject({ model: { gridScale: 0.5 } });
    expect(start['settings']).toContain('image size (model 16 x 16, start 8 x 8)');
    using opened = await openRun(run);
    expect(opened.model.image).toMatchObject({ height: 16, width: 16 });
    await using data = await opened.openSuite();
    expect(data.suite.image).toMatchObject({ height: 16, width: 16 });
    // Resumed as any run.
    await rm(join(run, 'checkpoints', 'step-2'), { recursive: true });
    const whole = await readFile(join(run, 'checkpoints', 'step-1', 'model.safetensors'));
    const { step } = await trainRecipe({ recipe: second, run });
    expect(step).toBe(2);
    expect(whole.length).toBeGreaterThan(0);
  });
});
