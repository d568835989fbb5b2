/**
 * Lines of a UTF-8 file, one at a time, with a bound on the memory that a line may take.
 */
import { TextDecoder } from 'node:util';
import { readTextBytes } from '../archives/byte-source.ts';

/** Longest line that is read, in bytes; longer ones are reported. */
const MAX_LINE_BYTES = 1 << 20;

/** One line, or why it can't be used. `number` counts from 1. */
export type LineItem =
  | { readonly kind: 'line'; readonly number: number; readonly text: string }
  | { readonly kind: 'bad-line'; readonly number: number; readonly code: string; readonly reason: string };

const decodeLine = (bytes: Uint8Array, number: number, decoder: TextDecoder): LineItem => {
  const end = bytes.length > 0 && bytes[bytes.length - 1] === 0x0d ? bytes.length - 1 : bytes.length;
  try {
    return { kind: 'line', number, text: decoder.decode(bytes.subarray(0, end)) };
  } catch {
    return {
      kind: 'bad-line',
      number,
      code: 'invalid-utf8',
      reason: `line ${number}: expected UTF-8 text, got other bytes; save the file as UTF-8`,
    };
  }
};

/**
 * Reads the lines of a file, plain or gzip; line ends are LF, CRLF or CR, a byte order mark is dropped.
 * @throws FormatError for other compression and for UTF-16
 */
export async function* readLines(
  path: string,
  options: { readonly maxLineBytes?: number } = {},
): AsyncGenerator<LineItem> {
  const limit = options.maxLineBytes ?? MAX_LINE_BYTES;
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let pieces: Uint8Array[] = [];
  let length = 0;
  let number = 1;
  const finish = (): LineItem => {
    const item: LineItem =
      length > limit
        ? {
            kind: 'bad-line',
            number,
            code: 'line-too-long',
            reason: `line ${number}: expected at most ${limit} bytes, got ${length}`,
          }
        : decodeLine(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces), number, decoder);
    pieces = [];
    length = 0;
    number += 1;
    return item;
  };
  const take = (piece: Uint8Array): void => {
    length += piece.length;
    // Beyond the limit only the length is kept, so that a file without line ends can't fill the memory.
    if (length <= limit) pieces.push(piece);
    else pieces = [];
  };
  for await (const bytes of readTextBytes(path)) {
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
      take(bytes.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    if (start < bytes.length) take(bytes.subarray(start));
  }
  if (length > 0) yield finish();
}
