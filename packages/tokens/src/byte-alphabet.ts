/**
 * The printable stand-ins of the 256 byte values that byte-level BPE files use: a byte that is a visible Latin-1
 * character stands for itself, the others get code points from 256 upwards in byte order (Radford et al., 2019).
 * The stand-ins sorted by code point are the first 256 ids of every vocabulary made here.
 */
const visible = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

const codePoints: readonly number[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => (visible(byte) ? byte : next++));
})();

/** Stand-in character of each byte value. */
export const byteSymbols: readonly string[] = codePoints.map((point) => String.fromCharCode(point));

const bytesOfSymbols: ReadonlyMap<string, number> = new Map(
  byteSymbols.map((symbol, byte) => [symbol, byte]),
);

/** The byte values in the order of their stand-ins' code points: entry i is the byte with base id i. */
export const baseBytes: readonly number[] = Array.from({ length: 256 }, (_, byte) => byte).sort(
  (a, b) => (codePoints[a] ?? 0) - (codePoints[b] ?? 0),
);

/** The stand-in text of UTF-8 bytes: " the" becomes "Ġthe". */
export const symbolsOfBytes = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += byteSymbols[byte] ?? '';
  return text;
};

/** The bytes that a token's stand-in text spells, or undefined where a character is no stand-in. */
export const bytesOfToken = (token: string): Uint8Array | undefined => {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i += 1) {
    const byte = bytesOfSymbols.get(token.charAt(i));
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
};
