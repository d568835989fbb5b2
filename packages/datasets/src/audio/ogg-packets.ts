/** Packets of an Ogg file with one stream. Source: RFC 3533. */

const HEAD_BYTES = 27;
/** Most packets of a file. */
const MAX_PACKETS = 2 ** 22;

/** What is in an Ogg file. */
export interface OggPackets {
  readonly packets: readonly Uint8Array[];
  /** Place of the last sample that counts, as the last page says it; -1 where it says nothing. */
  readonly end: number;
  /** Whether the last page says that it is the last. */
  readonly isWhole: boolean;
}

/** The packets of the first stream; undefined for bytes that are no pages. */
export const oggPackets = (bytes: Uint8Array): OggPackets | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const packets: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let [at, end, isWhole] = [0, -1, false];
  let serial: number | undefined;
  while (at + HEAD_BYTES <= bytes.length) {
    if (Buffer.from(bytes.subarray(at, at + 4)).toString('latin1') !== 'OggS') return undefined;
    const flags = view.getUint8(at + 5);
    const stream = view.getUint32(at + 14, true);
    const segments = view.getUint8(at + 26);
    let start = at + HEAD_BYTES + segments;
    serial ??= stream;
    for (let i = 0; i < segments && start <= bytes.length; i += 1) {
      const size = bytes[at + HEAD_BYTES + i] ?? 0;
      if (start + size > bytes.length) return { packets, end, isWhole: false };
      if (stream === serial) parts.push(bytes.subarray(start, start + size));
      start += size;
      // A segment of less than 255 bytes ends its packet.
      if (size === 255 || stream !== serial) continue;
      packets.push(Buffer.concat(parts));
      parts = [];
      if (packets.length > MAX_PACKETS) return undefined;
    }
    if (stream === serial) {
      end = Number(view.getBigInt64(at + 6, true));
      isWhole = (flags & 4) !== 0;
    }
    at = start;
  }
  return serial === undefined ? undefined : { packets, end, isWhole };
};
