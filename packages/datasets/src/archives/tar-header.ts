/**
 * Fields of tar headers: ustar, pax records, GNU's numbers in base 256.
 * Source: IEEE Std 1003.1-2017, pax utility, "ustar Interchange Format" and "pax Header Block".
 */
import { isUtf8 } from 'node:buffer';
import type { FormatError } from '@polygate/core';

/** Bytes of a block. */
export const TAR_BLOCK = 512;

/** Text of a field up to its first NUL; names that are not UTF-8 are taken as Latin-1, so that they stay different. */
export const textField = (block: Uint8Array, start: number, length: number): string => {
  let end = start;
  while (end < start + length && block[end] !== 0) end += 1;
  const bytes = Buffer.from(block.buffer, block.byteOffset + start, end - start);
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
};

/** A number field: octal digits, or base 256 where the top bit of the first byte is set. NaN when it is neither. */
export const numeric = (block: Uint8Array, start: number, length: number): number => {
  if (((block[start] ?? 0) & 0x80) !== 0) {
    let value = (block[start] ?? 0) & 0x7f;
    for (let i = start + 1; i < start + length; i += 1) value = value * 256 + (block[i] ?? 0);
    return value;
  }
  const text = textField(block, start, length).trim();
  return text === '' ? 0 : /^[0-7]+$/u.test(text) ? Number.parseInt(text, 8) : Number.NaN;
};

/** Whether the header's checksum is that of its bytes, which old writers added up with signs. */
export const checksumFits = (block: Uint8Array): boolean => {
  let plain = 0;
  let signed = 0;
  for (let i = 0; i < TAR_BLOCK; i += 1) {
    const byte = i >= 148 && i < 156 ? 32 : (block[i] ?? 0);
    plain += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const stated = numeric(block, 148, 8);
  return stated === plain || stated === signed;
};

/** Whether a block holds zeros only, as those that end an archive. */
export const isZeroBlock = (block: Uint8Array): boolean => block.every((byte) => byte === 0);

/** Key and value pairs of a pax header: records of the form `LENGTH KEY=VALUE\n`, the length counting all of it. */
export const parsePax = (
  bytes: Uint8Array,
  complain: (problem: string) => FormatError,
): Map<string, string> => {
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
