/** The cache of answers: kept between processes, bounded, and never in the way. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAnswer, writeAnswer } from './answer-cache.ts';

const before = process.env['XDG_CACHE_HOME'];
let folder = '';
const file = (): string => join(folder, 'polygate', 'engine-answers.json');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-answers-'));
  process.env['XDG_CACHE_HOME'] = folder;
});
afterEach(async () => {
  if (before === undefined) delete process.env['XDG_CACHE_HOME'];
  else process.env['XDG_CACHE_HOME'] = before;
  await rm(folder, { recursive: true, force: true });
});

describe('the cache of answers', () => {
  it('gives back what was written, and leaves one file', async () => {
    expect(await readAnswer('a')).toBeUndefined();
    await writeAnswer('a', { asked: 3 });
    await writeAnswer('b', [1]);
    await writeAnswer('__proto__', 'own');
    expect(await readAnswer('a')).toEqual({ asked: 3 });
    expect(await readAnswer('b')).toEqual([1]);
    expect(await readAnswer('toString')).toBeUndefined();
    expect(await readdir(join(folder, 'polygate'))).toEqual(['engine-answers.json']);
  });

  it('forgets the oldest of too many', async () => {
    const entries = Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`k${at}`, at]));
    await mkdir(join(folder, 'polygate'));
    await writeFile(file(), JSON.stringify({ format: 1, entries }));
    await writeAnswer('k0', 'again');
    await writeAnswer('new', 1);
    expect(await readAnswer('k0')).toBe('again');
    expect(await readAnswer('k1')).toBeUndefined();
    expect(await readAnswer('k2')).toBe(2);
  });

  it.each(['', '{', '[]', '{"format":2,"entries":{"a":1}}', '{"format":1,"entries":[1]}', '\0\0\0'])(
    'asks again where the file holds %j',
    async (text) => {
      await mkdir(join(folder, 'polygate'));
      await writeFile(file(), text);
      expect(await readAnswer('a')).toBeUndefined();
      await writeAnswer('a', 1);
      expect(await readAnswer('a')).toBe(1);
    },
  );

  it('is done without where it cannot be written', async () => {
    // A file where the folder should be: that stops root, too.
    await writeFile(join(folder, 'polygate'), '');
    await writeAnswer('a', 1);
    expect(await readAnswer('a')).toBeUndefined();
    expect(await readFile(join(folder, 'polygate'), 'utf8')).toBe('');
  });
});
