/** Decompression of Parquet pages: each codec writes into an output of the size that the page's header declares. */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { decompress as decompressZstd } from 'fzstd';
import { snappyUncompress } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { ParquetDamage, type Expand } from './parquet-pages.ts';

const snappy: Expand = (packed, size) => {
  const out = new Uint8Array(size);
  snappyUncompress(packed, out);
  return out;
};

/** A bound is needed beside the output: without one the decoder believes the header of the frame. */
const zstd: Expand = (packed, size) => decompressZstd(packed, new Uint8Array(size));

const codecs: ReadonlyMap<string, Expand> = new Map<string, Expand>([
  ['SNAPPY', snappy],
  ['ZSTD', zstd],
  ['GZIP', (packed, size) => gunzipSync(packed, { maxOutputLength: Math.max(size, 1) })],
  ['BROTLI', (packed, size) => brotliDecompressSync(packed, { maxOutputLength: Math.max(size, 1) })],
  ...(['LZ4', 'LZ4_RAW'] as const).flatMap((name): [string, Expand][] => {
    const expand = compressors[name];
    return expand ? [[name, expand]] : [];
  }),
]);

/** @returns undefined for pages that are not compressed. @throws ParquetDamage for a codec that is not read */
export const expandOf = (codec: string | undefined): Expand | undefined => {
  if (codec === 'UNCOMPRESSED') return undefined;
  const expand = codecs.get(codec ?? '');
  // Codecs write a mark where nothing is packed, which not all decoders take.
  if (expand) return (packed, size) => (size === 0 ? new Uint8Array(0) : expand(packed, size));
  throw new ParquetDamage(
    `the compression ${codec ?? 'without a name'}, where ${[...codecs.keys()].join(', ')} are read`,
  );
};
