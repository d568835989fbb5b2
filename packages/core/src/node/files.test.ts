import { createHash } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateError } from '../errors.ts';
import { removeTemporaries, writeDirectoryAtomic } from './atomic-directory.ts';
import { requireWritable, sha256File, writeError, writeFileAtomic } from './files.ts';
import { makeFolder } from './folders.ts';
import { jsonlMetricSink } from './jsonl-metrics.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-core-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('folders', () => {
  it('are asked whether they take files before there are any, and nothing is made', async () => {
    await expect(requireWritable(join(root, 'a/b/c'))).resolves.toBeUndefined();
    expect(await readdir(root)).toEqual([]);
    await writeFile(join(root, 'file'), '');
    await expect(requireWritable(join(root, 'file/x'))).rejects.toThrow(
      'got ENOTDIR: a part of the path is a file',
    );
    await expect(requireWritable(join(root, 'file'))).rejects.toThrow('got EACCES');
  });

  it('are made with those that they lie in; the outermost is told', async () => {
    expect(await makeFolder(join(root, 'a/b/c'))).toBe(join(root, 'a'));
    expect(await makeFolder(join(root, 'a/b/d'))).toBe(join(root, 'a/b/d'));
    expect(await makeFolder(join(root, 'a/b'))).toBeUndefined();
    expect(await readdir(join(root, 'a/b'))).toEqual(['c', 'd']);
    await symlink(join(root, 'a'), join(root, 'to-a'));
    expect(await makeFolder(join(root, 'to-a/e'))).toBe(join(root, 'to-a/e'));
    expect(await readdir(join(root, 'a'))).toEqual(['b', 'e']);
  });

  it('are refused below files, and links that lead nowhere', async () => {
    await writeFile(join(root, 'file'), '');
    await symlink(join(root, 'unmounted'), join(root, 'link'));
    await expect(makeFolder(join(root, 'file'))).rejects.toThrow('EEXIST');
    await expect(makeFolder(join(root, 'file/x/y'))).rejects.toThrow('ENOTDIR');
    await expect(makeFolder(join(root, 'link'))).rejects.toThrow('ENOENT');
    await expect(writeFileAtomic(join(root, 'link/x/y'), '')).rejects.toThrow(
      'got ENOENT: its folder is not there: it was removed or renamed meanwhile, a part of the path is a link that leads nowhere, or the file system takes no folders',
    );
  });

  it('are refused at once where a file system takes none, where Node asks without end', async (context) => {
    if (process.platform !== 'linux') context.skip('/proc is of Linux');
    await expect(makeFolder('/proc/polygate/a')).rejects.toThrow('ENOENT');
  });
});

describe('atomic files', () => {
  it('replace content and leave nothing else behind', async () => {
    await writeFileAtomic(join(root, 'a', 'x.json'), 'one');
    await writeFileAtomic(join(root, 'a', 'x.json'), 'two');
    expect(await readFile(join(root, 'a', 'x.json'), 'utf8')).toBe('two');
    expect(await readdir(join(root, 'a'))).toEqual(['x.json']);
  });

  it('show a folder only when its filling succeeded', async () => {
    const target = join(root, 'step-1');
    await expect(
      writeDirectoryAtomic(target, async (directory) => {
        await writeFile(join(directory, 'model'), 'half');
        throw new StateError('stop');
      }),
    ).rejects.toThrow('stop');
    expect(await readdir(root)).toEqual([]);
    await writeDirectoryAtomic(target, (directory) => writeFile(join(directory, 'model'), 'whole'));
    expect(await readFile(join(target, 'model'), 'utf8')).toBe('whole');
  });

  it('tell the remedy of a failed write', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(writeFileAtomic(join(root, 'file', 'x'), 'data')).rejects.toThrow(
      /expected to write the file, got (?:ENOTDIR|EEXIST): a part of the path is a file; choose another folder/u,
    );
    const full = writeError('/x', Object.assign(new Error('no space'), { code: 'ENOSPC', errno: -28 }));
    expect(full.code).toBe('disk-full');
    expect(full.message).toContain('free space or choose another folder');
  });

  it('remove what a killed writer left', async () => {
    await writeFile(join(root, '.x.json.123e4567-e89b-12d3-a456-426614174000.tmp'), 'half');
    await writeFile(join(root, 'keep.tmp'), 'mine');
    await removeTemporaries(root);
    expect(await readdir(root)).toEqual(['keep.tmp']);
  });

  it('hash files as others do', async () => {
    await writeFile(join(root, 'f'), 'abc');
    const expected = createHash('sha256').update('abc').digest('hex');
    expect(await sha256File(join(root, 'f'))).toBe(expected);
  });
});

describe('metric lines', () => {
  it('append one JSON object a line', async () => {
    const sink = jsonlMetricSink(join(root, 'run', 'metrics.jsonl'));
    await sink.write({ step: 1, kind: 'train', values: { loss: 0.5 } });
    await sink.write({ step: 2, kind: 'train', values: { loss: 0.25 } });
    const lines = (await readFile(join(root, 'run', 'metrics.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { step: 1, kind: 'train', loss: 0.5 },
      { step: 2, kind: 'train', loss: 0.25 },
    ]);
  });
});
