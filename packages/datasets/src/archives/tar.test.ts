import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FormatError } from '@polygate/core';
import { MAX_TAR_HEADER_BYTES, readTar, type TarEntry, type TarOptions } from './tar.ts';
import { tarEnd, tarMember } from '../../test/support/tar-writer.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-tar-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const entries = async (
  bytes: Uint8Array,
  options: Partial<TarOptions> = {},
  pieceSize = 1000,
): Promise<TarEntry[]> => {
  const out: TarEntry[] = [];
  for await (const entry of readTar(inPieces(bytes, pieceSize), { name: 't.tar', ...options }))
    out.push(entry);
  return out;
};

const text = (entry: TarEntry | undefined): string | undefined =>
  entry?.body && Buffer.from(entry.body).toString('utf8');

describe('tar', () => {
  it.each(['ustar', 'posix', 'gnu'])('reads what GNU tar writes as %s', async (format) => {
    const folder = join(root, format);
    // 90 + 60 characters: too long for the name field alone, so each format uses its own way.
    const long = `${'d'.repeat(90)}/${'f'.repeat(60)}.txt`;
    await mkdir(join(folder, 'd'.repeat(90)), { recursive: true });
    await writeFile(join(folder, long), 'long name');
    await writeFile(join(folder, 'a.bin'), Buffer.alloc(1500, 7));
    await writeFile(join(folder, 'empty'), '');
    const archive = join(root, `${format}.tar`);
    await promisify(execFile)('tar', [
      `--format=${format}`,
      '-cf',
      archive,
      '-C',
      folder,
      'a.bin',
      'empty',
      'd'.repeat(90),
    ]);
    const members: TarEntry[] = [];
    for await (const entry of readTar(createReadStream(archive, { highWaterMark: 700 }), { name: format })) {
      members.push(entry);
    }
    expect(members.map(({ path, size }) => [path, size])).toEqual([
      ['a.bin', 1500],
      ['empty', 0],
      [long, 9],
    ]);
    expect(members[0]?.body).toEqual(new Uint8Array(1500).fill(7));
    expect(text(members[2])).toBe('long name');
  });

  it('gives the same members however the stream is cut', async () => {
    const archive = Buffer.concat([
      tarMember('a', Buffer.from('one')),
      tarMember('b', Buffer.alloc(1025, 1)),
      tarEnd,
    ]);
    const whole = await entries(archive, {}, archive.length);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2000 }), async (size) => {
        expect(await entries(archive, {}, size)).toEqual(whole);
      }),
      { numRuns: 30 },
    );
  });

  it('passes over the content of members that are too long or not wanted', async () => {
    const archive = Buffer.concat([
      tarMember('big', Buffer.alloc(3000)),
      tarMember('small', Buffer.from('x')),
      tarMember('other', Buffer.from('y')),
      tarEnd,
    ]);
    const members = await entries(archive, { maxEntryBytes: 2000, wanted: (path) => path !== 'other' });
    expect(members.map((entry) => [entry.path, entry.size, text(entry)])).toEqual([
      ['big', 3000, undefined],
      ['small', 1, 'x'],
      ['other', 1, undefined],
    ]);
  });

  const problems = (members: readonly TarEntry[]): unknown[] =>
    members.map(({ path, problem }) => (problem ? [path, problem.code, problem.reason] : path));
  const good = tarMember('a', Buffer.from('one'));

  it('reads an archive without end marker to its end, and says so', async () => {
    const notes: string[] = [];
    const onNote = (note: string): void => void notes.push(note);
    expect(problems(await entries(Buffer.concat([good, good]), { onNote }))).toEqual(['a', 'a']);
    expect(notes).toEqual([
      'tar t.tar ends at byte 2048 without an end marker: read to there, members may be missing',
    ]);
    // A last member without its padding, and one zero block in place of two, are enough.
    expect(problems(await entries(good.subarray(0, 515), { onNote }))).toEqual(['a']);
    expect(problems(await entries(Buffer.concat([good, tarEnd.subarray(512)]), { onNote }))).toEqual(['a']);
    expect(notes).toHaveLength(2);
  });

  it('names the member that is cut short, its archive and byte', async () => {
    const big = tarMember('d/b.png', Buffer.alloc(2000, 1));
    const archive = Buffer.concat([good, big]);
    const reason =
      'tar t.tar, byte 1024: expected 2000 bytes of d/b.png, got 276 and the end of the archive; fetch the archive again';
    const cut = archive.subarray(0, 1024 + 512 + 276);
    expect(problems(await entries(cut))).toEqual(['a', ['d/b.png', 'truncated-member', reason]]);
    expect(problems(await entries(cut, { maxEntryBytes: 1000 }))).toEqual([
      'a',
      ['d/b.png', 'truncated-member', reason],
    ]);
    expect(problems(await entries(archive.subarray(0, 1100)))).toEqual([
      'a',
      [
        'the next header',
        'truncated-member',
        'tar t.tar, byte 1024: expected 512 bytes of the next header, got 76 and the end of the archive; fetch the archive again',
      ],
    ]);
  });

  it('tells of links, sparse members and archives behind the end', async () => {
    const link = tarMember('l.png', Buffer.alloc(0), { type: '1' });
    link.write('a.png', 157, 'latin1');
    const sum = link.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
    link.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    const sparse = tarMember('s.bin', Buffer.alloc(100, 1), { type: 'S' });
    const pax = tarMember('x', Buffer.from('22 GNU.sparse.major=1\n'), { type: 'x' });
    const folder = tarMember('old/', Buffer.alloc(0));
    const archive = Buffer.concat([link, sparse, pax, good, folder, good, tarEnd, tarEnd, good, tarEnd]);
    const members = await entries(archive);
    expect(members.map(({ path, problem }) => [path, problem?.code])).toEqual([
      ['l.png', 'link-member'],
      ['s.bin', 'sparse-member'],
      ['a', 'sparse-member'],
      ['a', undefined],
      ['byte 7168', 'archive-behind-end'],
    ]);
    expect(members[0]?.problem?.reason).toContain(
      'expected a file, got a link to a.png; write the archive with',
    );
    expect(members[4]?.problem?.reason).toBe(
      "tar t.tar, byte 5120: expected the archive to end, got another one at byte 7168, which isn't read; list the archives one by one",
    );
    // Other bytes behind the end mean nothing.
    expect(await entries(Buffer.concat([good, tarEnd, Buffer.alloc(600, 7)]))).toHaveLength(1);
  });

  it('names archive and byte of what is broken', async () => {
    const flipped = Uint8Array.from(good);
    flipped[0] = 0x62;
    await expect(entries(flipped)).rejects.toThrow(
      'tar t.tar, byte 0: expected a tar archive, got another format (the checksum of the first header does not fit); fetch or write the archive again',
    );
    await expect(entries(Buffer.concat([good, flipped]))).rejects.toThrow(
      'byte 1024: expected a header whose checksum fits, got another one',
    );
    await expect(entries(new Uint8Array(0))).rejects.toThrow('expected a tar archive, got an empty file');
  });

  it('keeps names apart that are not UTF-8', async () => {
    const member = (name: string): Buffer => tarMember(Buffer.from(name, 'latin1').toString('latin1'), good);
    const latin = [0xe9, 0xe8].map((byte) => {
      const raw = tarMember('x.png', Buffer.from('1'));
      raw[0] = byte;
      const sum = raw
        .subarray(0, 512)
        .reduce((total, value, i) => total + (i >= 148 && i < 156 ? 32 : value), 0);
      raw.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
      return raw;
    });
    const members = await entries(Buffer.concat([...latin, member('plain'), tarEnd]));
    expect(members.map(({ path }) => path)).toEqual(['é.png', 'è.png', 'plain']);
  });

  it('does not believe lengths: neither of extended headers nor of members', async () => {
    const oversized = tarMember('x', Buffer.alloc(0), { type: 'x', size: MAX_TAR_HEADER_BYTES + 1 });
    await expect(entries(oversized)).rejects.toThrow(
      `expected an extended header of at most ${MAX_TAR_HEADER_BYTES} bytes, got ${MAX_TAR_HEADER_BYTES + 1}`,
    );
    const pax = tarMember('x', Buffer.from('99 path=short\n'), { type: 'x' });
    await expect(entries(Buffer.concat([pax, tarEnd]))).rejects.toThrow(
      'expected a pax record "LENGTH KEY=VALUE", got a broken one at byte 0 of the header',
    );
    const size = tarMember('x', Buffer.from('14 size=-1e9\n\n'), { type: 'x' });
    await expect(entries(Buffer.concat([size, tarMember('a', Buffer.from('b')), tarEnd]))).rejects.toThrow(
      'expected a member size, got a number that is none',
    );
  });

  it('ends in members or a FormatError for any flipped byte', async () => {
    const archive = Buffer.concat([
      tarMember('long', Buffer.from('30 path=a/name/from/a/header\n\n'), { type: 'x' }),
      tarMember('a', Buffer.from('one')),
      tarMember('b', Buffer.alloc(700, 3)),
      tarEnd,
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const damaged = Uint8Array.from(archive);
        damaged[at] = (damaged[at] ?? 0) ^ mask;
        await entries(damaged).catch((error: unknown) => expect(error).toBeInstanceOf(FormatError));
      }),
      { numRuns: 200 },
    );
  });
});
