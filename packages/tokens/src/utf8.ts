/** UTF-8 without Node's buffers. Bytes that belong to no whole character become U+FFFD, as do lone surrogates. */

const encoder = new TextEncoder();
// A byte order mark is a character of a text like any other.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The UTF-8 bytes of a text. */
export const utf8Bytes = (text: string): Uint8Array => encoder.encode(text);

/** Pieces one after another. */
export const joinBytes = (pieces: readonly Uint8Array[]): Uint8Array => {
  const joined = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
};

/** The text of UTF-8 bytes. */
export const utf8Text = (bytes: Uint8Array): string => decoder.decode(bytes);
