import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fault, type ReaderItem } from '../samples/sample.ts';
import { clipPaths } from '../video/clip-paths.ts';
import { openListedClips } from './listed-clips.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-clips-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const put = async (...paths: readonly string[]): Promise<void> => {
  for (const path of paths) {
    const file = join(root, path);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, 'not looked at');
  }
};
const all = async (items: AsyncIterable<ReaderItem>): Promise<ReaderItem[]> => {
  const list: ReaderItem[] = [];
  for await (const item of items) list.push(item);
  return list;
};
const options = { name: 'list.csv', programs: { ffmpeg: 'true', ffprobe: 'true' } };
const row = (clip: string, text: string) => ({ clip, texts: [text] });

describe('clips that a list names', () => {
  it('are found with and without folders and endings, rows of one clip together', async () => {
    await put('a/one.gif', 'b/two.mp4', 'three/0.png', 'three/1.png');
    const rows = [row('one', 'x'), row('b/two.mp4', 'y'), row('a/one.gif', 'z'), row('three', 'w')];
    const reader = await openListedClips([...rows, fault('line 5', 'bad', 'why')], {
      ...options,
      videos: root,
    });
    const items = await all(reader.read());
    expect(items).toEqual([
      fault('line 5', 'bad', 'why'),
      expect.objectContaining({ id: 'a/one.gif', texts: ['x', 'z'] }),
      expect.objectContaining({ id: 'b/two.mp4', texts: ['y'] }),
      expect.objectContaining({
        id: 'three',
        contents: {
          clip: { kind: 'paths', paths: [join(root, 'three/0.png'), join(root, 'three/1.png')] },
        },
      }),
    ]);
    expect(reader.notes).toBeUndefined();
  });

  it('are left out where their rows have labels that differ', async () => {
    await put('one.gif', 'two.gif');
    const rows = [0, 1, 1].map((label, i) => ({ clip: i < 2 ? 'one' : 'two', label }));
    const reader = await openListedClips(rows, { ...options, videos: root, classes: ['a', 'b'] });
    const items = await all(reader.read());
    expect(items.map(({ id, kind }) => [id, kind])).toEqual([
      ['one.gif', 'fault'],
      ['two.gif', 'sample'],
    ]);
    expect(items[0]).toMatchObject({ code: 'several-labels' });
  });

  it('are told of together where they are not there, and where two are called so', async () => {
    await put('a/one.gif', 'b/one.gif', 'two.gif');
    const rows = ['one', 'two', 'gone'].map((clip) => row(clip, clip));
    const reader = await openListedClips(rows, { ...options, videos: root });
    expect(reader.notes).toEqual([
      '2 of 3 clips are not in the folder of the videos, "one" among them: they are left out',
    ]);
    expect((await all(reader.read())).map(({ id }) => id)).toEqual(['list.csv', 'two.gif']);
  });

  it('end the work where none is there, or ffmpeg is missing', async () => {
    await put('one.gif');
    await expect(openListedClips([row('two', 'x')], { ...options, videos: root })).rejects.toThrow(
      `list.csv: expected clips such as "two" in ${root}, got none of 1 among 1 clips there`,
    );
    await put('two.mp4');
    const programs = { ffmpeg: 'no-such-ffmpeg', ffprobe: 'true' };
    await expect(openListedClips([row('two', 'x')], { ...options, programs, videos: root })).rejects.toThrow(
      'video: expected the program no-such-ffmpeg to read video files, got none; install the package ffmpeg',
    );
  });
});

describe('clipPaths', () => {
  it('are videos, animations, and folders of stills', async () => {
    await put('a.mp4', 'frames/1.png', 'frames/2.png', 'notes.txt', 'single/1.png', 'top.webp');
    const paths = await clipPaths(root);
    expect(paths.map((path) => path.slice(root.length + 1))).toEqual(['a.mp4', 'frames', 'top.webp']);
  });
});
