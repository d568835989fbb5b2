/**
 * Members of a zip archive, stored or deflated, with the 64-bit forms, as NumPy writes .npz files.
 * Source: PKWARE APPNOTE 6.3.10. Encryption and other methods are refused.
 */
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInflateRaw } from 'node:zlib';
import { crc32, FormatError } from '@polygate/core';

/** A member of an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes, unpacked. */
  readonly size: number;
  /** The content, unpacked. @throws FormatError for damage */
  read(): AsyncGenerator<Uint8Array>;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const MEMBER = 0x02014b50;
const LOCAL = 0x04034b50;
/** Record at the end with the longest comment. */
const END_BYTES = 22 + 65_535;
/** Most members, and most bytes of their list. */
const MAX_MEMBERS = 100_000;
const MAX_LIST_BYTES = 1 << 26;
const WIDE = 0xffffffff;

const readAt = async (file: FileHandle, start: number, length: number): Promise<DataView> => {
  const bytes = new Uint8Array(length);
  const { bytesRead } = await file.read(bytes, 0, length, start);
  return new DataView(bytes.buffer, 0, bytesRead);
};

interface Directory {
  readonly count: number;
  readonly start: number;
  readonly length: number;
}

const big = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

/** Where the list of members lies. */
const findDirectory = async (file: FileHandle, size: number): Promise<Directory | undefined> => {
  const length = Math.min(size, END_BYTES);
  const tail = await readAt(file, size - length, length);
  for (let at = tail.byteLength - 22; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) !== END) continue;
    const plain = {
      count: tail.getUint16(at + 10, true),
      length: tail.getUint32(at + 12, true),
      start: tail.getUint32(at + 16, true),
    };
    const locator = at - 20;
    if (locator < 0 || tail.getUint32(locator, true) !== LOCATOR64) return plain;
    const wide = await readAt(file, big(tail, locator + 8), 56);
    if (wide.byteLength < 56 || wide.getUint32(0, true) !== END64) return undefined;
    return { count: big(wide, 32), length: big(wide, 40), start: big(wide, 48) };
  }
  return undefined;
};

interface Member {
  readonly name: string;
  readonly method: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
  readonly crc: number;
  readonly encrypted: boolean;
}

/** Sizes and offset beyond 32 bits, which stand in an extra field, in this order, where they are needed. */
const wideFields = (
  view: DataView,
  from: number,
  to: number,
  wanted: readonly number[],
): readonly number[] => {
  if (!wanted.includes(WIDE)) return wanted;
  for (let at = from; at + 4 <= to;) {
    const [id, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    if (id === 1) {
      let next = at + 4;
      return wanted.map((value) => {
        if (value !== WIDE || next + 8 > Math.min(to, at + 4 + length)) return value;
        next += 8;
        return big(view, next - 8);
      });
    }
    at += 4 + length;
  }
  return wanted;
};

const membersOf = (view: DataView, count: number): Member[] => {
  const members: Member[] = [];
  let at = 0;
  while (members.length < count) {
    if (view.getUint32(at, true) !== MEMBER) throw new RangeError('no member');
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true)) as [
      number,
      number,
      number,
    ];
    const name = Buffer.from(view.buffer, view.byteOffset + at + 46, nameLength).toString('utf8');
    const fields = [
      view.getUint32(at + 24, true),
      view.getUint32(at + 20, true),
      view.getUint32(at + 42, true),
    ];
    const end = at + 46 + nameLength + extra;
    if (end > view.byteLength) throw new RangeError('a member beyond the end');
    const [size = 0, packed = 0, offset = 0] = wideFields(view, at + 46 + nameLength, end, fields);
    const encrypted = (view.getUint16(at + 8, true) & 1) === 1;
    const [method, crc] = [view.getUint16(at + 10, true), view.getUint32(at + 16, true)];
    members.push({ name, method, packed, size, offset, crc, encrypted });
    at = end + comment;
  }
  return members;
};

async function* contentOf(
  path: string,
  member: Member,
  fail: (problem: string) => FormatError,
): AsyncGenerator<Uint8Array> {
  const { name, method, packed, size, offset, crc, encrypted } = member;
  if (encrypted || (method !== 0 && method !== 8))
    throw fail(
      `${name} ${encrypted ? 'encrypted' : `packed by method ${method}`}; unpack it, or write it as zip does`,
    );
  const file = await open(path, 'r');
  let start: number;
  try {
    const local = await readAt(file, offset, 30);
    if (local.byteLength < 30 || local.getUint32(0, true) !== LOCAL)
      throw fail(`no member ${name} at byte ${offset}`);
    start = offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  } finally {
    await file.close();
  }
  if (packed === 0) return;
  const raw = createReadStream(path, { start, end: start + packed - 1 });
  const stream = method === 8 ? raw.pipe(createInflateRaw()) : raw;
  raw.on('error', (error) => stream.destroy(error));
  let seen = 0;
  let sum = 0;
  try {
    for await (const chunk of stream) {
      seen += (chunk as Uint8Array).length;
      if (seen > size) break;
      sum = crc32(chunk as Uint8Array, sum);
      yield chunk as Uint8Array;
    }
  } catch (cause) {
    throw fail(
      `${name} damaged (${cause instanceof Error ? cause.message : String(cause)}); fetch or write it again`,
    );
  } finally {
    raw.destroy();
    stream.destroy();
  }
  if (seen !== size || sum !== crc)
    throw fail(`${name} of other bytes than the ${size} that it claims; fetch or write it again`);
}

/** The members of a zip archive, in the order of its list. @throws FormatError for another format and a damaged list */
export const readZip = async (path: string): Promise<readonly ZipEntry[]> => {
  const fail = (problem: string): FormatError =>
    new FormatError(`${basename(path)}: expected a zip archive, got ${problem}`, {
      code: 'zip',
      fields: { path },
    });
  const file = await open(path, 'r');
  let members: Member[];
  try {
    const { size } = await file.stat();
    const directory = await findDirectory(file, size);
    if (!directory) throw fail('another format, or one that is cut short; fetch or write it again');
    const { count, start, length } = directory;
    if (count > MAX_MEMBERS || length > MAX_LIST_BYTES || start + length > size)
      throw fail(`a list of ${count} members in ${length} bytes at byte ${start} of ${size}`);
    members = membersOf(await readAt(file, start, length), count);
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw fail('a damaged list of members; fetch or write it again');
  } finally {
    await file.close();
  }
  return members.map((member) => ({
    name: member.name,
    size: member.size,
    read: () => contentOf(path, member, fail),
  }));
};
