import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@polygate/core';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fault } from '../samples/sample.ts';
import { apngFrames, parseApng } from './apng.ts';
import { decodeClip, type DecodedClip } from './clip-decode.ts';
import { sampledFrames } from './clip-sampling.ts';
import { countFrames, requireFfmpeg } from './ffmpeg.ts';
import { requireWholeGif } from './gif.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-video-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const hasFfmpeg = await requireFfmpeg().then(
  () => true,
  () => false,
);

/** The red of the first pixel of each frame. */
const reds = (clip: DecodedClip | Fault, size: number): number[] =>
  clip.kind === 'fault'
    ? []
    : Array.from({ length: clip.frames }, (_, frame) => clip.pixels[frame * size * size * 3] ?? -1);

const SIDE = 8;
/** Frames of one grey each, side by side in one raw image. */
const greys = (values: readonly number[]): Sharp => {
  const raw = Buffer.concat(values.map((value) => Buffer.alloc(SIDE * SIDE * 3, value)));
  return sharp(raw, {
    raw: { width: SIDE, height: SIDE * values.length, channels: 3, pageHeight: SIDE },
  });
};

describe('sampling of frames', () => {
  it.each([
    // [frames, of, sampling, indices]
    [{ frames: 4, stride: 'auto' }, 3, [0, 1, 2]],
    [{ frames: 4, stride: 'auto' }, 4, [0, 1, 2, 3]],
    // Stride 3 gives 0, 3, 6, 9 of 10, and spans them all.
    [{ frames: 4, stride: 'auto' }, 10, [0, 3, 6, 9]],
    // Stride 2 gives three frames of 5; stride 2 of 9 would give 5, so the middle four are taken: one unused at each end.
    [{ frames: 4, stride: 2 }, 5, [0, 2, 4]],
    [{ frames: 4, stride: 2 }, 9, [1, 3, 5, 7]],
    [{ frames: 2, stride: 100 }, 7, [3]],
    [{ frames: 1, stride: 1 }, 9, [4]],
  ] as const)('%j of %i frames keeps %j', (sampling, total, indices) => {
    expect(sampledFrames(total, sampling)).toEqual(indices);
  });
});

describe('animated PNG', () => {
  const record = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../test/fixtures/apng.json'), 'utf8'),
  ) as { width: number; height: number; cases: { name: string; file: string; frames: string[] }[] };

  it.each(record.cases)('$name shows what ffmpeg shows', async ({ file, frames }) => {
    const png = parseApng(Buffer.from(file, 'base64'));
    expect(png && [png.width, png.height, png.frames.length]).toEqual([
      record.width,
      record.height,
      frames.length,
    ]);
    if (!png) return;
    let at = 0;
    for await (const pixels of apngFrames(png, [...frames.keys()])) {
      const shown = Buffer.from(frames[at] ?? '', 'base64');
      at += 1;
      // Colour under transparent pixels is not shown; mixing rounds by one.
      for (let byte = 0; byte < shown.length; byte += 4) {
        const [a, b] = [shown, pixels].map((image) => [...image.subarray(byte, byte + 4)]) as [
          number[],
          number[],
        ];
        expect(Math.abs((a[3] ?? 0) - (b[3] ?? 0))).toBeLessThanOrEqual(1);
        if ((a[3] ?? 0) > 0)
          for (const channel of [0, 1, 2])
            expect(Math.abs((a[channel] ?? 0) - (b[channel] ?? 0))).toBeLessThanOrEqual(2);
      }
    }
    expect(at).toBe(frames.length);
  });

  it('mixes half-transparent pixels of frames that are laid over others', async () => {
    // Red 100 below, opaque; red 200 with alpha 51, a fifth: 200 · 0.2 + 100 · 0.8 = 120, and still opaque.
    const [below, over] = await Promise.all(
      [
        [100, 255],
        [200, 51],
      ].map(([red = 0, alpha = 0]) =>
        sharp(Buffer.from([red, 0, 0, alpha]), { raw: { width: 1, height: 1, channels: 4 } })
          .png({ palette: false })
          .toBuffer(),
      ),
    );
    const one = { width: 1, height: 1, left: 0, top: 0, dispose: 0, blend: 1 };
    // The compressed pixels of a PNG of one IDAT, and its header.
    const part = (bytes: Buffer | undefined, type: string): Uint8Array => {
      const at = bytes?.indexOf(type, 0, 'latin1') ?? 0;
      return bytes?.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4)) ?? new Uint8Array(0);
    };
    const shown: number[][] = [];
    for await (const pixels of apngFrames(
      {
        width: 1,
        height: 1,
        header: part(below, 'IHDR'),
        shared: [],
        frames: [below, over].map((bytes) => ({ control: one, data: [part(bytes, 'IDAT')] })),
      },
      [0, 1],
    ))
      shown.push([...pixels]);
    expect(shown).toEqual([
      [100, 0, 0, 255],
      [120, 0, 0, 255],
    ]);
  });

  it('refuses damage, and leaves still images alone', async () => {
    const bytes = Buffer.from(record.cases[0]?.file ?? '', 'base64');
    expect(() => parseApng(bytes.subarray(0, bytes.length - 40))).toThrow(
      /animated PNG: expected \d+ bytes of fdAT, got the end of the file/u,
    );
    expect(parseApng(await greys([7]).png().toBuffer())).toBeUndefined();
    expect(parseApng(new Uint8Array(4))).toBeUndefined();
  });
});

describe('clips', () => {
  const sampling = { size: 4, frames: 3, stride: 'auto' } as const;

  it.each(['webp', 'gif'] as const)('of animated %s are the frames that sampling keeps', async (format) => {
    const image = greys([0, 51, 102, 153, 204]);
    const bytes = await (format === 'gif' ? image.gif() : image.webp({ lossless: true })).toBuffer();
    const clip = await decodeClip('a', { kind: 'bytes', bytes }, sampling);
    // Stride 2 of five frames: 0, 2, 4.
    expect([clip.kind, reds(clip, 4)]).toEqual(['clip', [0, 102, 204]]);
    expect(clip.kind === 'clip' && clip.of).toBe(5);
  });

  it('of still images and of folders of frames', async () => {
    const paths: string[] = [];
    for (const value of [10, 20, 30, 40]) {
      paths.push(join(root, `${value}.png`));
      await greys([value])
        .png()
        .toFile(paths.at(-1) ?? '');
    }
    expect(reds(await decodeClip('a', { kind: 'paths', paths }, { ...sampling, stride: 1 }), 4)).toEqual([
      10, 20, 30,
    ]);
    expect(reds(await decodeClip('a', { kind: 'path', path: paths[1] ?? '' }, sampling), 4)).toEqual([20]);
  });

  it('that can not be decoded are faults', async () => {
    const cases = [
      [{ kind: 'bytes', bytes: Buffer.from('no clip') }, 'corrupt-clip'],
      [{ kind: 'paths', paths: [] }, 'no-frames'],
      [{ kind: 'path', path: join(root, 'none.mp4') }, 'missing-file'],
      [{ kind: 'path', path: join(root, 'none.gif') }, 'missing-file'],
      [{ kind: 'values', values: new Float32Array(1), shape: [1] }, 'no-clip'],
    ] as const;
    for (const [content, code] of cases)
      expect(await decodeClip('a', content, sampling)).toMatchObject({ kind: 'fault', code });
    const bytes = await greys([0, 100, 200]).webp().toBuffer();
    for (const budgets of [{ decodeBytes: 100 }, { sampleBytes: 100 }])
      expect(await decodeClip('a', { kind: 'bytes', bytes }, { ...sampling, budgets })).toMatchObject({
        code: 'clip-too-large',
      });
  });
});

describe('video files', () => {
  const programs = { ffmpeg: 'no-such-ffmpeg', ffprobe: 'no-such-ffprobe' };

  it('need ffmpeg, which is said', async () => {
    await writeFile(join(root, 'a.mp4'), 'x');
    await expect(
      decodeClip(
        'a',
        { kind: 'path', path: join(root, 'a.mp4') },
        { size: 4, frames: 2, stride: 1, programs },
      ),
    ).rejects.toThrow(ConfigError);
    await expect(requireFfmpeg(programs)).rejects.toThrow(
      'video: expected the program no-such-ffmpeg to read video files, got none; install the package ffmpeg (apt install ffmpeg',
    );
  });

  it.runIf(hasFfmpeg)('are read frame by frame, without a rate', async () => {
    await mkdir(join(root, 'frames'));
    const values = [0, 40, 80, 120, 160, 200, 240];
    for (const [at, value] of values.entries())
      await greys([value])
        .png()
        .toFile(join(root, `frames/${at}.png`));
    const path = join(root, 'clip.avi');
    execFileSync('ffmpeg', [
      '-v',
      'error',
      '-i',
      join(root, 'frames/%d.png'),
      '-c:v',
      'ffv1',
      '-pix_fmt',
      'bgr0',
      path,
    ]);
    expect(await countFrames(path)).toBe(7);
    const clip = await decodeClip('a', { kind: 'path', path }, { size: 4, frames: 3, stride: 2 });
    // Frames 1, 3, 5: the middle of seven.
    expect([clip.kind === 'clip' && clip.of, reds(clip, 4)]).toEqual([7, [40, 120, 200]]);
  });

  it.runIf(hasFfmpeg)('that are none, and playlists, are faults', async () => {
    const playlist = '#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n';
    for (const content of ['no video', playlist, '']) {
      const path = join(root, 'bad.mp4');
      await writeFile(path, content);
      expect(await decodeClip('a', { kind: 'path', path }, { size: 4, frames: 2, stride: 1 })).toMatchObject({
        kind: 'fault',
        code: 'corrupt-clip',
      });
    }
  });
});

describe('cut files', () => {
  const animation = async (format: 'gif' | 'webp'): Promise<Buffer> =>
    greys([0, 50, 100, 150, 200, 250]).toFormat(format, { loop: 0 }).toBuffer();

  it('of GIF are faults wherever inside a block they end, and whole ones are none', async () => {
    const bytes = await animation('gif');
    expect(() => requireWholeGif(bytes)).not.toThrow();
    // Without its trailer a GIF still has all its blocks.
    expect(() => requireWholeGif(bytes.subarray(0, -1))).not.toThrow();
    const half = bytes.subarray(0, Math.floor(bytes.length / 2) + 3);
    const clip = await decodeClip(
      'cut',
      { kind: 'bytes', bytes: half },
      { size: SIDE, frames: 8, stride: 1 },
    );
    expect(clip).toMatchObject({ kind: 'fault', code: 'corrupt-clip' });
    expect(clip).toHaveProperty(
      'reason',
      `GIF: expected a whole file, got one that ends inside a block, after ${half.length} bytes; it is cut: fetch it again`,
    );
  });

  it('of animated PNG are those with fewer frames than announced', () => {
    const chunk = (type: string, body: readonly number[]): Buffer => {
      const head = Buffer.alloc(8);
      head.writeUInt32BE(body.length);
      head.write(type, 4, 'latin1');
      return Buffer.concat([head, Buffer.from(body), Buffer.alloc(4)]);
    };
    const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const header = chunk('IHDR', [0, 0, 0, 1, 0, 0, 0, 1, 8, 6, 0, 0, 0]);
    const control = chunk('fcTL', [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, ...new Array<number>(14).fill(0)]);
    const bytes = Buffer.concat([
      signature,
      header,
      chunk('acTL', [0, 0, 0, 2, 0, 0, 0, 0]),
      control,
      chunk('IDAT', [0]),
    ]);
    expect(() => parseApng(bytes)).toThrow(
      'animated PNG: expected 2 frames, as acTL says, got 1; the file is damaged: write it again',
    );
  });
});
