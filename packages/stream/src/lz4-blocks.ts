/**
 * Decoding of LZ4 blocks into memory that is already there. The native decoder hands out buffers that the garbage
 * collector learns of late: twelve batches of 240 MiB, read one after another, held 4.5 GiB. What is decoded here takes
 * its own bytes and no more, whatever the block says.
 * Source: LZ4 Block Format Description, "Compressed block format" (Y. Collet).
 */

/** Where a decoder writes: the buffer of all blocks, and the end of what is written. */
export interface Lz4Output {
  readonly bytes: Uint8Array;
  end: number;
}

/** Shortest match. */
const MIN_MATCH = 4;
/** Runs from here on are copied by the engine's own means; for shorter ones the call costs more than a loop. */
const LONG_RUN = 24;

/**
 * Appends the content of one compressed block. Matches may reach back into blocks before it.
 * @returns whether the block is sound and fits the output
 */
export const decodeLz4Block = (block: Uint8Array, output: Lz4Output): boolean => {
  const { bytes } = output;
  const size = block.length;
  const limit = bytes.length;
  let from = 0;
  let to = output.end;
  while (from < size) {
    const token = block[from] as number;
    from += 1;
    let literals = token >> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255) {
        if (from >= size) return false;
        more = block[from] as number;
        from += 1;
        literals += more;
      }
    }
    if (from + literals > size || to + literals > limit) return false;
    if (literals >= LONG_RUN) bytes.set(block.subarray(from, from + literals), to);
    else for (let i = 0; i < literals; i += 1) bytes[to + i] = block[from + i] as number;
    from += literals;
    to += literals;
    // The last sequence has literals alone.
    if (from === size) break;
    if (from + 2 > size) return false;
    const distance = (block[from] as number) | ((block[from + 1] as number) << 8);
    from += 2;
    let length = token & 15;
    if (length === 15) {
      let more = 255;
      while (more === 255) {
        if (from >= size) return false;
        more = block[from] as number;
        from += 1;
        length += more;
      }
    }
    length += MIN_MATCH;
    if (distance === 0 || distance > to || to + length > limit) return false;
    if (length < LONG_RUN) {
      for (let i = 0; i < length; i += 1) bytes[to + i] = bytes[to - distance + i] as number;
    } else if (distance === 1) bytes.fill(bytes[to - 1] as number, to, to + length);
    else {
      // A match that overlaps itself repeats its distance: each copy doubles what is there.
      let done = Math.min(distance, length);
      bytes.copyWithin(to, to - distance, to - distance + done);
      while (done < length) {
        const piece = Math.min(done, length - done);
        bytes.copyWithin(to + done, to, to + piece);
        done += piece;
      }
    }
    to += length;
  }
  output.end = to;
  return true;
};
