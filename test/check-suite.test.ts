/** `prepare --check` looks at the rows of a suite for what is on both sides of a split. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polygate } from './polygate.ts';
import { put } from './small-suite.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-check-'));
  const svg = (width: number): string =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="${width}" height="9" fill="red"/></svg>`;
  for (const [split, widths] of [
    ['train', [1, 2, 3]],
    ['test', [4, 5]],
  ] as const) {
    for (const width of widths) {
      await put(root, `clean/${split}/bars/${width}.svg`, svg(width));
      await put(root, `leaky/${split}/bars/${width}.svg`, svg(width === 5 ? 2 : width));
    }
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

const check = (name: string) =>
  polygate(
    'prepare',
    ...['--recipe', 'image-folder', '--out', join(root, 'data'), '--check', '--set', `name=${name}`],
    ...['--set', 'image.size=9', '--set', `sources.photos.path=${join(root, name)}`],
  );

describe('prepare --check', () => {
  it('says of each rule how many rows it holds for', async () => {
    const { code, out } = await check('clean');
    expect(code).toBe(0);
    expect(out).toContain(
      'rule equal-images: holds for 2 (no labelled image of one side has the pixels of one of the other)',
    );
    expect(out).toContain('rule emoji-concepts: nothing to check');
  });

  it('ends with an error where a rule does not hold, with the rows that break it', async () => {
    const { code, out, log } = await check('leaky');
    expect(code).not.toBe(0);
    expect(out).toMatch(
      /rule equal-images: 1 of 2 break it .*photos\/test .* has the pixels of the training's /u,
    );
    expect(log).toContain(
      'expected no leakage between splits, got rows that break equal-images (1); prepare the suite again by --force, or mend its sources',
    );
  });
});
