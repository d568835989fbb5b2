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
import { tarEnd, tarMember } from '../test/support/tar-writer.ts';

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
    const found: TarEntry[] = [];
    for await (const entry of readTar(createReadStream(archive, { highWaterMark: 700 }), { name: format })) {
      found.push(entry);
    }
    expect(found.map(({ path, size }) => [path, size])).toEqual([
      ['a.bin', 1500],
      ['empty', 0],
      [long, 9],
    ]);
    expect(found[0]?.body).toEqual(new Uint8Array(1500).fill(7));
    expect(text(found[2])).toBe('long name');
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
    const found = await entries(archive, { maxEntryBytes: 2000, wanted: (path) => path !== 'other' });
    expect(found.map((entry) => [entry.path, entry.size, text(entry)])).toEqual([
      ['big', 3000, undefined],
      ['small', 1, 'x'],
      ['other', 1, undefined],
    ]);
  });

  it('names archive and byte of what is broken', async () => {
    const good = tarMember('a', Buffer.from('one'));
    await expect(entries(Buffer.concat([good, good]))).rejects.toThrow(
      'tar t.tar, byte 2048: expected a header of 512 bytes or the end marker, got 0 bytes; fetch or write the archive again',
    );
    await expect(entries(good.subarray(0, 600))).rejects.toThrow(
      'tar t.tar, byte 0: expected 3 bytes of content, got the end of the archive',
    );
    const flipped = Uint8Array.from(good);
    flipped[0] = 0x62;
    await expect(entries(flipped)).rejects.toThrow(
      'byte 0: expected a header whose checksum fits, got another one',
    );
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
