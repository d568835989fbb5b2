/** Lets work run at once as long as the bytes that it declares fit a bound together. */

/** Hands out shares of a number of bytes, in the order of asking. */
export class ByteGate {
  readonly #limit: number;
  #held = 0;
  readonly #waiting: { readonly bytes: number; readonly start: () => void }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Runs an action while it holds `bytes`; one alone may hold more than the limit. */
  async run<T>(bytes: number, action: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      await new Promise<void>((start) => this.#waiting.push({ bytes, start }));
    } else this.#held += bytes;
    try {
      return await action();
    } finally {
      this.#held -= bytes;
      this.#admit();
    }
  }

  #fits(bytes: number): boolean {
    return this.#held === 0 || this.#held + bytes <= this.#limit;
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#held += next.bytes;
      next.start();
    }
  }
}
