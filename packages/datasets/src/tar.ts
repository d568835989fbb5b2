/**
 * A streaming reader of tar archives: POSIX ustar with pax headers, and the GNU forms for long names and large
 * sizes. Every length is checked against a bound before it is believed.
 * Source: IEEE Std 1003.1-2017, pax utility, "ustar Interchange Format" and "pax Header Block".
 */
import { FormatError } from '@polygate/core';

const BLOCK = 512;
/** Largest pax header or GNU long name, in bytes. */
export const MAX_TAR_HEADER_BYTES = 1 << 20;
/** Largest member that is kept, in bytes, unless the caller sets another. */
export const MAX_TAR_ENTRY_BYTES = 64 << 20;

/** One regular file of an archive. */
export interface TarEntry {
  readonly path: string;
  readonly size: number;
  /** Byte at which the member's header begins. */
  readonly offset: number;
  /** The content; undefined where it is longer than the limit or was not wanted. */
  readonly body: Uint8Array | undefined;
}

export interface TarOptions {
  /** Name of the archive for error texts. */
  readonly name: string;
  /** Members longer than this come without body. @default MAX_TAR_ENTRY_BYTES */
  readonly maxEntryBytes?: number;
  /** Which members to keep the content of. @default all */
  readonly wanted?: (path: string) => boolean;
}

/** Exact reads from a stream of chunks of any size. */
class ByteCursor {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #current: Uint8Array = new Uint8Array(0);
  #start = 0;
  offset = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** The next `count` bytes, or fewer at the end of the stream. The result is the caller's own. */
  async read(count: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    const got = await this.#walk(count, (piece) => pieces.push(piece));
    const out = new Uint8Array(got);
    let at = 0;
    for (const piece of pieces) {
      out.set(piece, at);
      at += piece.length;
    }
    return out;
  }

  async skip(count: number): Promise<number> {
    return this.#walk(count, () => {});
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #walk(count: number, visit: (piece: Uint8Array) => void): Promise<number> {
    let left = count;
    while (left > 0) {
      if (this.#start >= this.#current.length) {
        const next = await this.#chunks.next();
        if (next.done === true) break;
        this.#current = next.value;
        this.#start = 0;
        continue;
      }
      const end = Math.min(this.#current.length, this.#start + left);
      visit(this.#current.subarray(this.#start, end));
      left -= end - this.#start;
      this.#start = end;
    }
    this.offset += count - left;
    return count - left;
  }
}

const ascii = (block: Uint8Array, start: number, length: number): string => {
  let end = start;
  while (end < start + length && block[end] !== 0) end += 1;
  return Buffer.from(block.buffer, block.byteOffset + start, end - start).toString('utf8');
};

/** A number field: octal digits, or base 256 where the top bit of the first byte is set. NaN when it is neither. */
const numeric = (block: Uint8Array, start: number, length: number): number => {
  if (((block[start] ?? 0) & 0x80) !== 0) {
    let value = (block[start] ?? 0) & 0x7f;
    for (let i = start + 1; i < start + length; i += 1) value = value * 256 + (block[i] ?? 0);
    return value;
  }
  const text = ascii(block, start, length).trim();
  return text === '' ? 0 : /^[0-7]+$/u.test(text) ? Number.parseInt(text, 8) : Number.NaN;
};

const checksum = (block: Uint8Array): number => {
  let sum = 0;
  for (let i = 0; i < BLOCK; i += 1) sum += i >= 148 && i < 156 ? 32 : (block[i] ?? 0);
  return sum;
};

/** Key and value pairs of a pax header: records of the form `LENGTH KEY=VALUE\n`, the length counting all of it. */
const parsePax = (bytes: Uint8Array, complain: (problem: string) => FormatError): Map<string, string> => {
  const out = new Map<string, string>();
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at < buffer.length && buffer[at] !== 0) {
    const space = buffer.indexOf(0x20, at);
    const length = space > at && space - at <= 8 ? Number(buffer.toString('latin1', at, space)) : Number.NaN;
    const equals = buffer.indexOf(0x3d, space);
    const end = at + length;
    if (
      !Number.isInteger(length) ||
      end > buffer.length ||
      equals < 0 ||
      equals >= end ||
      buffer[end - 1] !== 0x0a
    ) {
      throw complain(
        `expected a pax record "LENGTH KEY=VALUE", got a broken one at byte ${at} of the header`,
      );
    }
    out.set(buffer.toString('utf8', space + 1, equals), buffer.toString('utf8', equals + 1, end - 1));
    at = end;
  }
  return out;
};

/**
 * Yields the regular files of an archive in order; folders and links are passed over.
 * @throws FormatError naming archive and byte for a broken header, a truncated member or a missing end marker
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  options: TarOptions,
): AsyncGenerator<TarEntry> {
  const cursor = new ByteCursor(source);
  const limit = options.maxEntryBytes ?? MAX_TAR_ENTRY_BYTES;
  const complain = (problem: string, offset: number): FormatError =>
    new FormatError(`tar ${options.name}, byte ${offset}: ${problem}; fetch or write the archive again`, {
      code: 'tar-broken',
      fields: { archive: options.name, offset },
    });
  const content = async (size: number, offset: number): Promise<Uint8Array> => {
    const padded = Math.ceil(size / BLOCK) * BLOCK;
    const bytes = await cursor.read(padded);
    if (bytes.length < padded)
      throw complain(`expected ${size} bytes of content, got the end of the archive`, offset);
    return bytes.subarray(0, size);
  };
  let longName: string | undefined;
  let pax = new Map<string, string>();
  try {
    for (;;) {
      const offset = cursor.offset;
      const block = await cursor.read(BLOCK);
      if (block.length < BLOCK) {
        throw complain(
          `expected a header of ${BLOCK} bytes or the end marker, got ${block.length} bytes`,
          offset,
        );
      }
      if (block.every((byte) => byte === 0)) return;
      if (numeric(block, 148, 8) !== checksum(block)) {
        throw complain('expected a header whose checksum fits, got another one', offset);
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
        const bytes = await content(size, offset);
        if (type === 'x') pax = parsePax(bytes, (problem) => complain(problem, offset));
        if (type === 'L') longName = ascii(bytes, 0, bytes.length);
        continue;
      }
      const prefix = ascii(block, 257, 5) === 'ustar' && block[262] === 0 ? ascii(block, 345, 155) : '';
      const short = ascii(block, 0, 100);
      const path = pax.get('path') ?? longName ?? (prefix === '' ? short : `${prefix}/${short}`);
      pax = new Map();
      longName = undefined;
      const regular = type === '0' || type === '\0' || type === '7';
      if (regular && size <= limit && (options.wanted?.(path) ?? true)) {
        yield { path, size, offset, body: await content(size, offset) };
        continue;
      }
      const padded = Math.ceil(size / BLOCK) * BLOCK;
      if ((await cursor.skip(padded)) < padded) {
        throw complain(`expected ${size} bytes of content, got the end of the archive`, offset);
      }
      if (regular) yield { path, size, offset, body: undefined };
    }
  } finally {
    await cursor.close();
  }
}
