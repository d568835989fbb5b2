/**
 * Whether a GIF is whole: decoders show the frames in front of a cut and say nothing.
 * Source of the format: Graphics Interchange Format, version 89a, sections 15 to 27 and appendix A.
 */
import { FormatError } from '@polygate/core';

const HEADER_BYTES = 6;
const SCREEN_BYTES = 7;
const IMAGE_BYTES = 9;
const EXTENSION = 0x21;
const IMAGE = 0x2c;

/** Bytes of a table of colours, by the flags that announce it. */
const tableBytes = (flags: number): number => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1));

/** The byte behind a chain of sub-blocks; undefined where the bytes end before it does. */
const behindBlocks = (bytes: Uint8Array, start: number): number | undefined => {
  let at = start;
  while (at < bytes.length) {
    const length = bytes[at] ?? 0;
    at += 1 + length;
    if (length === 0) return at;
  }
  return undefined;
};

/** @throws FormatError for bytes that begin as a GIF and end inside one of its blocks */
export const requireWholeGif = (bytes: Uint8Array): void => {
  if (Buffer.from(bytes.subarray(0, HEADER_BYTES)).toString('latin1').slice(0, 3) !== 'GIF') return;
  const cut = (): FormatError =>
    new FormatError(
      `GIF: expected a whole file, got one that ends inside a block, after ${bytes.length} bytes; it is cut: fetch it again`,
      { code: 'gif-cut' },
    );
  let at: number | undefined = HEADER_BYTES + SCREEN_BYTES;
  if (bytes.length < at) throw cut();
  at += tableBytes(bytes[HEADER_BYTES + 4] ?? 0);
  while (at < bytes.length) {
    const kind: number | undefined = bytes[at];
    // Behind the trailer, or what is no block, lies what other programs left there.
    if (kind !== EXTENSION && kind !== IMAGE) return;
    at =
      kind === EXTENSION
        ? behindBlocks(bytes, at + 2)
        : behindBlocks(bytes, at + 2 + IMAGE_BYTES + tableBytes(bytes[at + IMAGE_BYTES] ?? 0));
    if (at === undefined) throw cut();
  }
  if (at > bytes.length) throw cut();
};
