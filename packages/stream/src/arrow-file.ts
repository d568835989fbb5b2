/** One Arrow IPC file, for whatever reads Arrow: pyarrow, pandas, polars, DuckDB, apache-arrow itself. */
import { open, rename, rm } from 'node:fs/promises';
import { StateError } from '@polygate/core';
import { createEncoder } from './encode.ts';
import type { Compression } from './lz4.ts';
import type { Sink } from './pipe.ts';

/** Settings of {@link arrowFileSink}. */
export interface ArrowFileOptions {
  /** @default 'none' */
  readonly compression?: Compression;
}

/** What was written. */
export interface ArrowFile {
  readonly path: string;
  readonly rows: number;
  readonly batches: number;
  readonly bytes: number;
}

/**
 * Writes all batches into one Arrow IPC file (the random-access format, also called Feather version 2). It appears under
 * its name when it is complete, in place of one that was there.
 * @throws StateError for a folder that can't be written
 */
export const arrowFileSink = (
  path: string,
  { compression = 'none' }: ArrowFileOptions = {},
): Sink<ArrowFile> => ({
  name: 'arrow file',
  needs: [],
  async consume(batches, schema) {
    const partial = `${path}.${process.pid}.partial`;
    const file = await open(partial, 'w').catch((cause: unknown) => {
      throw new StateError(
        `arrow file: expected a folder that can be written for ${path}, got ${cause instanceof Error ? cause.message : String(cause)}; make the folder, or choose another`,
        { code: 'unwritable', fields: { path }, cause },
      );
    });
    let rows = 0;
    let count = 0;
    let bytes = 0;
    try {
      try {
        const encoder = createEncoder(schema, compression);
        const write = async (piece: Uint8Array): Promise<void> => {
          await file.writeFile(piece);
          bytes += piece.length;
        };
        await write(encoder.header);
        for await (const batch of batches) {
          await write(encoder.encode(batch));
          rows += batch.numRows;
          count += 1;
        }
        await write(encoder.finish());
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(partial, path);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
    return { path, rows, batches: count, bytes };
  },
});
