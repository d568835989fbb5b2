import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expandFiles, patternMatcher } from './file-patterns.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-patterns-'));
  for (const name of ['b.tar', 'a.tar', 'c.txt', 'deep/d.tar', 'deep/e[1].tar', '.hidden/f.tar']) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), '');
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

const ids = async (...texts: string[]): Promise<string[]> =>
  (
    await expandFiles(
      texts.map((text) => join(root, text)),
      { what: 'archives', extensions: ['.tar'] },
    )
  ).map(({ id }) => id);

describe('patterns of files', () => {
  it.each([
    ['*.tar', ['a.tar'], ['a/b.tar', 'a.tar.gz', 'A.TAR']],
    ['**/*.tar', ['a.tar', 'a/b.tar', 'a/b/c.tar'], ['a.txt']],
    ['a/**', ['a/b', 'a/b/c'], ['b/a']],
    ['train-[0-9]?.tar', ['train-0x.tar'], ['train-x0.tar', 'train-0.tar']],
    ['[!a]*.tar', ['b.tar'], ['a.tar']],
    ['a+(b).tar', ['a+(b).tar'], ['aab.tar']],
    ['*', ['a'], ['a/b', '']],
  ])('%s', (pattern, fitting, others) => {
    const matches = patternMatcher(pattern);
    for (const path of fitting) expect([path, matches(path)]).toEqual([path, true]);
    for (const path of others) expect([path, matches(path) && path !== '']).toEqual([path, false]);
  });

  it('stand for files in one order, each once, hidden ones left out', async () => {
    expect(await ids('*.tar')).toEqual(['a.tar', 'b.tar']);
    expect(await ids('.')).toEqual(['a.tar', 'b.tar', 'deep/d.tar', 'deep/e[1].tar']);
    expect(await ids('b.tar', '*.tar')).toEqual(['b.tar', 'a.tar']);
    expect(await ids('**/d.tar', 'c.txt')).toEqual(['deep/d.tar', 'c.txt']);
    // The name of a file that is there is no pattern.
    expect(await ids('deep/e[1].tar')).toEqual(['e[1].tar']);
  });

  it('are refused where they stand for nothing', async () => {
    await expect(ids('x*.tar')).rejects.toThrow(
      /^archives: expected files that match ".*x\*\.tar", got none; /u,
    );
    await expect(ids('missing.tar')).rejects.toThrow(
      /expected a file, a folder or a pattern such as data\/\*\.tar/u,
    );
    await expect(expandFiles([], { what: 'archives', extensions: ['.tar'] })).rejects.toThrow(
      /got an empty list/u,
    );
  });
});
