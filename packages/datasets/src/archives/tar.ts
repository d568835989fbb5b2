/**
 * A streaming reader of tar archives: POSIX ustar with pax headers, and the GNU forms for long names and large
 * sizes. Every length is checked against a bound before it is believed.
 * Source: IEEE Std 1003.1-2017, pax utility, "ustar Interchange Format" and "pax Header Block".
 */
import { FormatError } from '@polygate/core';
import { ByteCursor } from './byte-cursor.ts';
import { checksumFits, isZeroBlock, numeric, parsePax, TAR_BLOCK as BLOCK, textField } from './tar-header.ts';

/** Largest pax header or GNU long name, in bytes. */
export const MAX_TAR_HEADER_BYTES = 1 << 20;
/** Largest member that is kept, in bytes, unless the caller sets another. */
const MAX_TAR_ENTRY_BYTES = 64 << 20;

/** One regular file of an archive. */
export interface TarEntry {
  readonly path: string;
  readonly size: number;
  /** Byte at which the member's header begins. */
  readonly offset: number;
  /** The content; undefined where it is longer than the limit, was not wanted, or can't be had. */
  readonly body: Uint8Array | undefined;
  /** Why the member can't be had: it is cut short, sparse, a link, or in an archive behind the end of this one. */
  readonly problem?: { readonly code: string; readonly reason: string };
}

export interface TarOptions {
  /** Name of the archive for error texts. */
  readonly name: string;
  /** Members longer than this come without body. @default MAX_TAR_ENTRY_BYTES */
  readonly maxEntryBytes?: number;
  /** Which members to keep the content of. @default all */
  readonly wanted?: (path: string) => boolean;
  /** Told what is odd about an archive that is read all the same, such as a missing end marker. */
  readonly onNote?: (note: string) => void;
}

/** Bytes of a content with its padding. */
const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

/** Types of members that are not files: devices and folders are passed over, links are told of. */
const linkTypes: ReadonlySet<string> = new Set(['1', '2']);
const plainTypes: ReadonlySet<string> = new Set(['0', '\0', '7']);

/** The blocks behind the header of a sparse member of GNU's old form, which list its holes. */
const skipSparseMap = async (cursor: ByteCursor, header: Uint8Array): Promise<void> => {
  let more = header[482] === 1;
  while (more) {
    const block = await cursor.read(BLOCK);
    more = block.length === BLOCK && block[504] === 1;
  }
};

/**
 * Yields the regular files of an archive in order; folders are passed over. A member that can't be had comes with its
 * problem. An archive without end marker is read to its end, as GNU tar does, and noted.
 * @throws FormatError naming archive and byte for a broken header
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  options: TarOptions,
): AsyncGenerator<TarEntry> {
  const cursor = new ByteCursor(untilCut(source));
  const limit = options.maxEntryBytes ?? MAX_TAR_ENTRY_BYTES;
  const complain = (problem: string, offset: number): FormatError =>
    new FormatError(`tar ${options.name}, byte ${offset}: ${problem}; fetch or write the archive again`, {
      code: 'tar-broken',
      fields: { archive: options.name, offset },
    });
  let longName: string | undefined;
  let pax = new Map<string, string>();
  try {
    for (;;) {
      const offset = cursor.offset;
      const problem = (path: string, code: string, reason: string): TarEntry => ({
        path,
        size: 0,
        offset,
        body: undefined,
        problem: { code, reason: `tar ${options.name}, byte ${offset}: ${reason}` },
      });
      const cutShort = (path: string, wanted: number, got: number): TarEntry =>
        problem(
          path,
          'truncated-member',
          `expected ${wanted} bytes of ${path}, got ${got} and the end of the archive; fetch the archive again`,
        );
      const block = await cursor.read(BLOCK);
      if (block.length === 0) {
        if (offset === 0) throw complain('expected a tar archive, got an empty file', 0);
        options.onNote?.(
          `tar ${options.name} ends at byte ${offset} without an end marker: read to there, members may be missing`,
        );
        return;
      }
      if (block.length < BLOCK) {
        if (offset === 0) throw complain(`expected a header of ${BLOCK} bytes, got ${block.length}`, 0);
        yield cutShort('the next header', BLOCK, block.length);
        return;
      }
      if (isZeroBlock(block)) {
        const next = await nextArchive(cursor);
        if (next !== undefined) {
          yield problem(
            `byte ${next}`,
            'archive-behind-end',
            `expected the archive to end, got another one at byte ${next}, which isn't read; list the archives one by one`,
          );
        }
        return;
      }
      if (!checksumFits(block)) {
        throw complain(
          offset === 0
            ? 'expected a tar archive, got another format (the checksum of the first header does not fit)'
            : 'expected a header whose checksum fits, got another one',
          offset,
        );
      }
      const type = String.fromCharCode(block[156] ?? 0);
      const paxSize = pax.get('size');
      const size = paxSize === undefined ? numeric(block, 124, 12) : Number(paxSize);
      if (!Number.isSafeInteger(size) || size < 0) {
        throw complain('expected a member size, got a number that is none', offset);
      }
      if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
        if (size > MAX_TAR_HEADER_BYTES) {
          throw complain(
            `expected an extended header of at most ${MAX_TAR_HEADER_BYTES} bytes, got ${size}`,
            offset,
          );
        }
        const bytes = (await cursor.read(padded(size))).subarray(0, size);
        if (bytes.length < size) {
          yield cutShort('an extended header', size, bytes.length);
          return;
        }
        if (type === 'x') pax = parsePax(bytes, (text) => complain(text, offset));
        if (type === 'L') longName = textField(bytes, 0, bytes.length);
        continue;
      }
      const prefix =
        textField(block, 257, 5) === 'ustar' && block[262] === 0 ? textField(block, 345, 155) : '';
      const short = textField(block, 0, 100);
      const path =
        pax.get('GNU.sparse.name') ??
        pax.get('path') ??
        longName ??
        (prefix === '' ? short : `${prefix}/${short}`);
      const sparse = type === 'S' || [...pax.keys()].some((key) => key.startsWith('GNU.sparse.'));
      const link = linkTypes.has(type) ? (pax.get('linkpath') ?? textField(block, 157, 100)) : undefined;
      pax = new Map();
      longName = undefined;
      if (type === 'S') await skipSparseMap(cursor, block);
      // Writers before ustar mark a folder by its name alone.
      const regular = plainTypes.has(type) && !path.endsWith('/') && !sparse;
      if (regular && size <= limit && (options.wanted?.(path) ?? true)) {
        const bytes = await cursor.read(padded(size));
        if (bytes.length < size) {
          yield cutShort(path, size, bytes.length);
          return;
        }
        yield { path, size, offset, body: bytes.subarray(0, size) };
        continue;
      }
      if (link !== undefined) {
        yield problem(
          path,
          'link-member',
          `expected a file, got a link to ${link}; write the archive with what its links lead to (tar --dereference --hard-dereference)`,
        );
      }
      // Some writers state the size of what a link leads to; no content follows.
      const content = link === undefined ? size : 0;
      const skipped = await cursor.skip(padded(content));
      if (skipped < content) {
        if (regular || sparse) yield cutShort(path, content, skipped);
        return;
      }
      if (sparse) {
        yield problem(
          path,
          'sparse-member',
          'expected a plain member, got a sparse one; write the archive without --sparse',
        );
      } else if (regular) yield { path, size, offset, body: undefined };
    }
  } finally {
    await cursor.close();
  }
}

/** The chunks of a stream; compressed data that end early end it, so that what is there can be read. */
async function* untilCut(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    if (!(error instanceof FormatError) || error.code !== 'gzip-truncated') throw error;
  }
}

/** Zeros behind an end marker that may be padding before another archive: records of the writers in use are smaller. */
const MAX_PADDING = 1 << 20;

/** Place of an archive behind the end marker of this one, if there is any; other bytes there mean nothing. */
const nextArchive = async (cursor: ByteCursor): Promise<number | undefined> => {
  const end = cursor.offset + MAX_PADDING;
  for (;;) {
    const offset = cursor.offset;
    if (offset > end) return undefined;
    const block = await cursor.read(BLOCK);
    if (block.length < BLOCK) return undefined;
    if (!isZeroBlock(block)) return checksumFits(block) ? offset : undefined;
  }
};
