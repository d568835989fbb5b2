/** CRC-32 and SHA-256 by Node's own native code: what `#hashes` is in Node. */
import { createHash } from 'node:crypto';
import * as zlib from 'node:zlib';
import { crc32 as portable } from '../portable-hashes.ts';

// Node has it since 20.15.
const native = (zlib as { crc32?: (data: Uint8Array, value?: number) => number }).crc32;

/** CRC-32 (IEEE 802.3, the one of zlib and PNG) of bytes; `previous` continues a running checksum. */
export const crc32: (bytes: Uint8Array, previous?: number) => number = native ?? portable;

/** SHA-256 of bytes or of a text's UTF-8, as hex. */
export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
