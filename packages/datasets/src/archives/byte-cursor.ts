/** Exact reads from a stream of chunks, with the place in it. */

/** Exact reads from a stream of chunks of any size. */
export class ByteCursor {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #current: Uint8Array = new Uint8Array(0);
  #start = 0;
  /** Bytes that were read or passed over. */
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
