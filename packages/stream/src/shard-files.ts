/**
 * Checked reading of extents of shard files. Every byte is compared with the manifest's CRC-32 before it is parsed;
 * a shortfall names the file, the part and the byte where the file ends.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, FormatError, StateError } from '@polygate/core';
import type { Extent, ShardEntry } from './manifest.ts';

/** Files that one shard set keeps open; more are closed and reopened as needed. */
const MAX_OPEN_FILES = 64;

/** Which part of a shard an error is about. */
export type ShardPart = number | 'header' | 'footer';

const describePart = (part: ShardPart): string => (typeof part === 'number' ? `batch ${part}` : part);

/** The error for a damaged part of a shard. `offset` is the byte in the file. */
export const damagedShard = (
  path: string,
  where: { readonly part: ShardPart; readonly offset: number },
  problem: { readonly detail: string; readonly code: string; readonly cause?: unknown },
): FormatError =>
  new FormatError(
    `${path}: ${describePart(where.part)} at byte ${where.offset}: ${problem.detail}; the file is damaged: ` +
      'restore it from a copy or prepare the data again',
    {
      code: problem.code,
      fields: { path, batch: where.part, offset: where.offset },
      ...(problem.cause === undefined ? {} : { cause: problem.cause }),
    },
  );

interface OpenFile {
  readonly handle: Promise<FileHandle>;
  users: number;
}

/** Reads extents of the files of one folder; close it when done. */
export class ShardFiles {
  readonly #directory: string;
  readonly #open = new Map<string, OpenFile>();
  #closed = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  path(shard: ShardEntry): string {
    return join(this.#directory, shard.file);
  }

  /** Compares a file's size with the manifest's. @throws FormatError naming the first part that is cut off */
  async checkSize(shard: ShardEntry): Promise<void> {
    const { size } = await this.#use(shard, (handle) => handle.stat());
    if (size === shard.bytes) return;
    const cut = shard.batches.findIndex((batch) => batch.offset + batch.length > size);
    const part = size < shard.header.length ? 'header' : cut < 0 ? 'footer' : cut;
    throw damagedShard(
      this.path(shard),
      { part, offset: size },
      {
        detail: `expected a file of ${shard.bytes} bytes, got ${size < shard.bytes ? 'one that ends here' : `${size} bytes`}`,
        code: 'shard-size',
      },
    );
  }

  /** The bytes of an extent in a buffer of their own, 8-byte aligned, checked. @throws FormatError */
  async read(shard: ShardEntry, extent: Extent, part: ShardPart): Promise<Uint8Array> {
    const bytes = aligned(extent.length);
    await this.#use(shard, async (handle) => {
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, extent.offset + filled);
        if (bytesRead === 0) {
          throw damagedShard(
            this.path(shard),
            { part, offset: extent.offset + filled },
            {
              detail: `expected ${extent.length} bytes from byte ${extent.offset}, got ${filled}`,
              code: 'shard-size',
            },
          );
        }
        filled += bytesRead;
      }
    });
    const checksum = crc32(bytes);
    if (checksum !== extent.crc32) {
      throw damagedShard(
        this.path(shard),
        { part, offset: extent.offset },
        {
          detail: `expected CRC-32 ${hex(extent.crc32)} over ${extent.length} bytes, got ${hex(checksum)}`,
          code: 'shard-checksum',
        },
      );
    }
    return bytes;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const files = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(files.map(async ({ handle }) => (await handle.catch(() => undefined))?.close()));
  }

  async #use<T>(shard: ShardEntry, action: (handle: FileHandle) => Promise<T>): Promise<T> {
    if (this.#closed) {
      throw new StateError(
        `${this.path(shard)}: expected an open shard set, got a closed one; open it again`,
      );
    }
    const file = this.#open.get(shard.file) ?? { handle: open(this.path(shard), 'r'), users: 0 };
    this.#open.delete(shard.file);
    this.#open.set(shard.file, file);
    file.users += 1;
    try {
      this.#closeIdle();
      return await action(await file.handle);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'EACCES' && code !== 'EIO') throw cause;
      throw new FormatError(
        `${this.path(shard)}: expected a readable file named by the manifest, got ${code}; restore it or prepare the data again`,
        { code: 'shard-missing', fields: { path: this.path(shard) }, cause },
      );
    } finally {
      file.users -= 1;
    }
  }

  #closeIdle(): void {
    for (const [name, file] of this.#open) {
      if (this.#open.size <= MAX_OPEN_FILES) return;
      if (file.users > 0) continue;
      this.#open.delete(name);
      void file.handle.then((handle) => handle.close()).catch(() => {});
    }
  }
}

/** Bytes that are about to be overwritten, so not cleared first; an allocation of its own is 8-byte aligned. */
const aligned = (length: number): Uint8Array => {
  const buffer = Buffer.allocUnsafeSlow(length);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, length);
};

const hex = (value: number): string => value.toString(16).padStart(8, '0');
