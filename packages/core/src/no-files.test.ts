import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as nowhere from './no-files.ts';
import * as node from './node/file-access.ts';

// The two forms of `@polygate/core/files` take each other's place: so the compiler says.
const forms: readonly (typeof node)[] = [node, nowhere];

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'files-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('files where there are none', () => {
  it('have the names of those of Node', () => {
    expect(Object.keys(nowhere).sort()).toEqual(Object.keys(node).sort());
  });

  it('are refused by path, with the remedy', async () => {
    const read =
      'file model/config.json: expected Node, got a platform without files; fetch the file and give its bytes';
    const write = 'file a: expected Node, got a platform without files; write it in Node';
    await expect(nowhere.openSource('model/config.json')).rejects.toMatchObject({
      message: read,
      code: 'no-files',
    });
    await expect(nowhere.readBytes('model/config.json')).rejects.toThrow(read);
    expect(() => nowhere.readBytesSync('model/config.json')).toThrow(read);
    await expect(nowhere.writeFileAtomic('a', '')).rejects.toThrow(write);
    await expect(nowhere.writeFileDigested('a', async () => {})).rejects.toThrow(write);
  });
});

describe('a source', () => {
  it('of bytes reads copies, and no more than there are', async () => {
    const bytes = Uint8Array.of(9, 1, 2, 3, 4).subarray(1);
    for (const { openSource } of forms) {
      await using source = await openSource(bytes);
      expect([source.name, source.size]).toEqual(['(bytes)', 4]);
      const part = await source.read(1, 2);
      expect([...part]).toEqual([2, 3]);
      expect(part.buffer.byteLength).toBe(2);
      expect([...(await source.read(3, 10))]).toEqual([4]);
      expect([...(await source.read(4, 10))]).toEqual([]);
    }
  });

  it('of a file reads the same', async () => {
    const path = join(folder, 'a');
    const digest = await node.writeFileDigested(path, async (file) => {
      await file.append(Uint8Array.of(1, 2));
      await file.append(Uint8Array.of(3, 4));
    });
    expect(digest.bytes).toBe(4);
    expect([...(await readFile(path))]).toEqual([1, 2, 3, 4]);
    await using source = await node.openSource(path);
    expect([source.name, source.size]).toEqual([path, 4]);
    expect([...(await source.read(1, 2))]).toEqual([2, 3]);
    expect((await source.read(3, 10)).buffer.byteLength).toBe(1);
    expect([...(await node.readBytes(path))]).toEqual([...node.readBytesSync(path)]);
  });
});
