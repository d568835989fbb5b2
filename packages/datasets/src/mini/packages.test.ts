import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '@polygate/core';
import { tarEnd, tarMember } from '../../test/support/tar-writer.ts';
import { openPackage } from './packages.ts';
import type { PinnedPackage } from './sources/data-source.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-packages-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const pin: PinnedPackage = {
  name: '@scope/data',
  version: '1.2.3',
  files: { 'a/data.json': sha256('content') },
};

const install = async (version: string, content: string): Promise<void> => {
  const folder = join(root, 'node_modules', '@scope', 'data');
  await mkdir(join(folder, 'a'), { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ version }));
  await writeFile(join(folder, 'a', 'data.json'), content);
};

const archive = (content: string): Buffer =>
  gzipSync(
    Buffer.concat([
      tarMember('package/package.json', Buffer.from('{"version": "1.2.3"}')),
      tarMember('package/a/data.json', Buffer.from(content)),
      tarMember('package/not-wanted.js', Buffer.from('x')),
      tarMember('package/../../outside', Buffer.from('x')),
      tarEnd,
    ]),
  );

/** A fetch that counts its calls. */
const fetcher = (content: string) => {
  const calls: string[] = [];
  const fetch = async (specifier: string, directory: string): Promise<string> => {
    calls.push(specifier);
    const path = join(directory, 'x.tgz');
    await writeFile(path, archive(content));
    return path;
  };
  return { calls, fetch };
};

describe('data packages', () => {
  it('are taken from node_modules of a folder above, without fetching', async () => {
    await install('1.2.3', 'content');
    const work = join(root, 'deep', 'work');
    const { calls, fetch } = fetcher('content');
    const files = await openPackage(pin, { workDirectory: work, fetch });
    expect((await files.read('a/data.json')).toString()).toBe('content');
    expect(calls).toEqual([]);
  });

  it('are fetched once where another version is installed', async () => {
    await install('9.9.9', 'other');
    const { calls, fetch } = fetcher('content');
    const options = { workDirectory: root, cacheDirectory: join(root, 'cache'), fetch };
    for (let i = 0; i < 2; i += 1) {
      const files = await openPackage(pin, options);
      expect((await files.read('a/data.json')).toString()).toBe('content');
    }
    expect(calls).toEqual(['@scope/data@1.2.3']);
    await expect(readFile(join(root, 'cache', '@scope+data@1.2.3', 'not-wanted.js'))).rejects.toThrow(
      'ENOENT',
    );
    await expect(readFile(join(root, 'cache', 'outside'))).rejects.toThrow('ENOENT');
  });

  it('are not believed when their content differs', async () => {
    await install('1.2.3', 'changed');
    const files = await openPackage(pin, { workDirectory: root });
    await expect(files.read('a/data.json')).rejects.toThrow(
      `data package @scope/data@1.2.3, a/data.json: expected SHA-256 ${sha256('content')}, got ${sha256('changed')}; remove ${join(root, 'node_modules', '@scope', 'data')} so that it is fetched again`,
    );
    await expect(files.read('b')).rejects.toThrow('expected a pinned file, got one without checksum');
    await rm(join(root, 'node_modules', '@scope', 'data', 'a', 'data.json'));
    await expect(files.read('a/data.json')).rejects.toThrow('expected the file in');
  });

  it('leave nothing behind when the archive is damaged', async () => {
    const fetch = async (_: string, directory: string): Promise<string> => {
      const path = join(directory, 'x.tgz');
      const member = tarMember('package/package.json', Buffer.alloc(200, 0x20));
      await writeFile(path, gzipSync(member.subarray(0, 600)));
      return path;
    };
    const cache = join(root, 'cache');
    await expect(openPackage(pin, { workDirectory: root, cacheDirectory: cache, fetch })).rejects.toThrow(
      'tar @scope/data@1.2.3, byte 0: expected 200 bytes of package/package.json, got 88 and the end of the archive',
    );
    await expect(readFile(join(cache, '@scope+data@1.2.3', 'package.json'))).rejects.toThrow('ENOENT');
  });
});
