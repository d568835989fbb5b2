/** Bytes that are read and written piece by piece, wherever they lie. */

/** A file by its path, or its content. */
export type FileSource = string | Uint8Array;

/** Something open that is read at any place. */
export interface ByteSource extends AsyncDisposable {
  /** For error texts: the path, or `(bytes)`. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /**
   * Up to `length` bytes from `position` on, fewer at the end. The caller's: a copy, with a buffer of its own.
   */
  read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** A file that is being written. */
export interface DigestedFile {
  /** Appends bytes, which are borrowed until it returns. */
  append(data: Uint8Array): Promise<void>;
}

/** Size and SHA-256 of a file's content. */
export interface FileDigest {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** Bytes in memory as a source; they are borrowed until it is closed. */
export const sourceOfBytes = (bytes: Uint8Array): ByteSource => {
  const close = async (): Promise<void> => {};
  return {
    name: '(bytes)',
    size: bytes.length,
    async read(position, length) {
      return new Uint8Array(bytes.subarray(position, position + length));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
};
