import * as zlib from 'node:zlib';

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

/** The table-driven form, for Node releases before 20.15 and as the twin of the native one in tests. */
export const crc32Table = (bytes: Uint8Array, previous = 0): number => {
  let c = ~previous >>> 0;
  for (let i = 0; i < bytes.length; i += 1) c = (table[(c ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (c >>> 8);
  return ~c >>> 0;
};

const native = (zlib as { crc32?: (data: Uint8Array, value?: number) => number }).crc32;

/** CRC-32 (IEEE 802.3, the one of zlib and PNG) of bytes; `previous` continues a running checksum. */
export const crc32: (bytes: Uint8Array, previous?: number) => number = native ?? crc32Table;
