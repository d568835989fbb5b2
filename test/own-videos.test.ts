/** Clips in folders of classes, prepared through the command line: animated images, folders of frames, video files. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { clipOfRow } from '@polygate/datasets';
import { openShards, readDatasetMetadata, textRow, values } from '@polygate/stream';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { none, useOwnData } from './own-data.ts';
import { polygate } from './polygate.ts';

const data = useOwnData();
const SIDE = 8;

/** A clip of one grey a frame. */
const clip = (greys: readonly number[]): Sharp =>
  sharp(Buffer.concat(greys.map((grey) => Buffer.alloc(SIDE * SIDE * 3, grey))), {
    raw: { width: SIDE, height: SIDE * greys.length, channels: 3, pageHeight: SIDE },
  });
const webp = (greys: readonly number[]): Promise<Buffer> => clip(greys).webp({ lossless: true }).toBuffer();

/** Prepares what lies at a path, with small images. */
const from = (path: string, ...more: string[]) =>
  polygate('prepare', '--from', data.at(path), '--out', data.at('data'), '--set', 'image.size=8', ...more);

const hasFfmpeg = (() => {
  try {
    execFileSync('ffprobe', ['-version']);
    return true;
  } catch {
    return false;
  }
})();

/** Rows of a split: id, label, and the grey of each frame. */
const rowsOf = async (split: string) => {
  const shards = await openShards(data.at(`data/own/clips/${split}`));
  const rows: { id: string; label: number; greys: number[] }[] = [];
  for await (const batch of shards.batches()) {
    for (let row = 0; row < batch.numRows; row += 1) {
      const { pixels, frames } = clipOfRow(batch, row);
      const area = pixels.length / frames;
      rows.push({
        id: textRow(batch, 'id', row),
        label: Number(values(batch, 'label')[row]),
        greys: Array.from({ length: frames }, (_, frame) => pixels[frame * area] ?? -1),
      });
    }
  }
  const metadata = readDatasetMetadata(shards.schema);
  await shards.close();
  return { rows, metadata };
};

describe('clips in folders of classes', () => {
  it('are rows of the frames that the recipe keeps', async () => {
    await data.put('clips/jump/a.webp', await webp([0, 40, 80, 120, 160]));
    await data.put('clips/jump/b.gif', await clip([200, 100]).gif().toBuffer());
    for (const [at, grey] of [30, 60, 90].entries())
      await data.put(`clips/run/c/frame${at * 5}.png`, await clip([grey]).png().toBuffer());
    await data.put('clips/run/notes.txt', 'no clip');
    const sources = { clips: { source: 'video-folder', path: data.at('clips'), ...none } };
    const { quarantine, classes } = await data.prepared(sources, '--set', 'video.frames=3');
    expect([classes, quarantine]).toEqual([['jump', 'run'], { 'not-a-clip': 1 }]);
    const { rows, metadata } = await rowsOf('train');
    expect(rows).toEqual([
      { id: 'jump/a.webp', label: 0, greys: [0, 80, 160] },
      { id: 'jump/b.gif', label: 0, greys: [200, 100] },
      { id: 'run/c', label: 1, greys: [30, 60, 90] },
    ]);
    expect(metadata).toMatchObject({
      kind: 'labelled-video',
      image: { height: 8, width: 8, channels: 3 },
      settings: { frames: 3, stride: 'auto' },
    });
  });

  it('follow folders of splits, and equal clips are told of', async () => {
    await data.put('clips/train/jump/a.webp', await webp([0, 40]));
    await data.put('clips/train/run/b.webp', await webp([80, 90]));
    await data.put('clips/val/jump/c.webp', await webp([0, 40]));
    const { log, overlaps } = await data.prepared({
      clips: { source: 'video-folder', path: data.at('clips') },
    });
    expect((await rowsOf('validation')).rows.map(({ id }) => id)).toEqual(['val/jump/c.webp']);
    expect(log.join('\n')).toContain('1 samples of train and validation show the same');
    expect(overlaps).toHaveLength(1);
  });

  it('are equal by their frames, whatever files hold them', async () => {
    const greys = [10, 60, 110];
    await data.put('clips/train/jump/a.webp', await webp(greys));
    await data.put('clips/train/run/b.webp', await webp([80, 90]));
    for (const [at, grey] of greys.entries())
      await data.put(`clips/val/jump/c/${at}.png`, await clip([grey]).png().toBuffer());
    const { overlaps } = await data.prepared({ clips: { source: 'video-folder', path: data.at('clips') } });
    expect(overlaps).toMatchObject([
      { splits: ['train', 'validation'], rows: 1, example: ['train/jump/a.webp', 'val/jump/c'] },
    ]);
  });

  it('are offered by --from where images are animations, beside a reading as stills', async () => {
    for (const name of ['jump', 'run'])
      await data.put(
        `gifs/${name}/a.gif`,
        await clip([0, name.length * 20])
          .gif()
          .toBuffer(),
      );
    const { code, out } = await from('gifs', '--show');
    expect(code).toBe(0);
    expect(out).toContain(
      'read by video-folder: 2 animated images in 2 folders named after classes (jump, run)',
    );
    expect(out).toContain(
      'also by image-folder: 2 folders of images named after classes (jump, run); the first frames alone are read of 2 animated images; --reader image-folder takes it',
    );
    await data.put('gifs/run/still.png', await clip([7]).png().toBuffer());
    const mixed = (await from('gifs', '--show')).out;
    expect(mixed).toContain('read by image-folder: ');
    expect(mixed).toContain(
      'also by video-folder: 2 animated images in 2 folders named after classes (jump, run); stills are clips of one frame; --reader video-folder takes it',
    );
  });

  it('of several forms in one folder are read as clips, and left out of a reading as images with a reason', async () => {
    for (const name of ['jump', 'run']) {
      await data.put(`own/${name}/a.webp`, await webp([0, name.length * 20]));
      for (const at of [0, 1])
        await data.put(
          `own/${name}/c/${at}.png`,
          await clip([at * 90])
            .png()
            .toBuffer(),
        );
    }
    await data.put('own/run/b.mp4', 'x');
    expect((await from('own', '--show')).out).toContain(
      'read by video-folder: 1 video file and 2 folders of frames and 2 animated images in 2 folders named after classes (jump, run)',
    );
    const { code, out } = await from('own', '--reader', 'image-folder');
    expect([code, out]).toEqual([0, expect.stringContaining('own (labelled-image): ')]);
    expect(out).toContain('left out are 1 video file and 2 folders inside of classes');
    expect(await readFile(data.at('data/own/quarantine.jsonl'), 'utf8')).toContain(
      'expected an image, got a video (.mp4); clips in folders named after classes are read by video-folder',
    );
  });

  it('are no clips of one class alone, nor one clip', async () => {
    for (const name of ['a', 'b'])
      for (const at of [0, 1])
        await data.put(
          `own/imgs/${name}/${at}.png`,
          await clip([at * 90])
            .png()
            .toBuffer(),
        );
    const rows = ['a', 'b'].flatMap((name) => [0, 1].map((at) => `imgs/${name}/${at}.png,${name}`));
    await data.put('own/labels.csv', `path,label\n${rows.join('\n')}`);
    const { out } = await from('own', '--show');
    expect(out).toContain('read by labelled-table: ');
    expect(out).toContain(
      'not by video-folder: 2 folders of frames in one folder alone (imgs): classes are two folders or more',
    );
    await data.put('one.gif', await clip([0, 90]).gif().toBuffer());
    const { code, log } = await from('one.gif');
    expect(code).toBe(2);
    expect(log).toContain(
      'video-folder (one clip alone: put clips into folders named after their classes (jump/1.gif, run/2.mp4) and give the folder of these)',
    );
  });

  it('are refused in another layout, and settings of video without clips have no say', async () => {
    await data.put('clips/a.webp', await webp([1]));
    const sources = { clips: { source: 'video-folder', path: data.at('clips') } };
    expect(await data.refused(sources)).toContain(
      'expected one folder per class with clips in it, or one per split with these in it, got no folder; move the clips into folders named after their classes',
    );
    expect(await data.refused(sources, '--set', 'video.stride=0')).toContain('video.stride');
  });

  it.runIf(hasFfmpeg)('that are video files are found by --from', async () => {
    for (const [name, colour] of [
      ['jump', 'red'],
      ['run', 'blue'],
    ] as const) {
      for (const at of [1, 2, 3]) {
        const file = await data.put(`clips/${name}/${at}.mp4`, '');
        execFileSync('ffmpeg', [
          '-v',
          'error',
          '-y',
          '-f',
          'lavfi',
          '-i',
          `color=${colour}:s=16x16:d=0.${at}:r=20`,
          file,
        ]);
      }
    }
    const { code, out, log } = await polygate(
      'prepare',
      '--from',
      data.at('clips'),
      '--out',
      data.at('data'),
      '--set',
      'image.size=8',
      '--set',
      'name=own',
    );
    expect([code, code === 0 ? '' : log]).toEqual([0, '']);
    expect(out).toContain('read by video-folder: 6 video files in 2 folders named after classes (jump, run)');
    expect((await rowsOf('train')).rows.every(({ greys }) => greys.length >= 2)).toBe(true);
  });
});
