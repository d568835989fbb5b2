/** Lines of a metrics file, in time linear in its bytes and with a bound on the memory that one line may take. */
import type { FileHandle } from 'node:fs/promises';

/** Longest line that is read, bytes; a record of routing at many sites has some hundred thousand. */
const MAX_METRIC_LINE_BYTES = 32 << 20;

const NEWLINE = 0x0a;
const CHUNK_BYTES = 1 << 20;

/** One line. */
export interface MetricLine {
  /** Without its line feed; undefined for a line beyond {@link MAX_METRIC_LINE_BYTES}. */
  readonly text: string | undefined;
  /** Byte behind its line feed, from the start of the file. */
  readonly end: number;
  /** Whether it ends in a line feed; the last one may be a record that was being written. */
  readonly isWhole: boolean;
}

/** The lines of an open file from its start. */
export async function* metricLines(file: FileHandle): AsyncGenerator<MetricLine> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let pieces: Buffer[] = [];
  let length = 0;
  let position = 0;
  const take = (piece: Buffer): void => {
    length += piece.length;
    // Beyond the bound only the length is kept.
    if (length > MAX_METRIC_LINE_BYTES) pieces = [];
    else if (piece.length > 0) pieces.push(Buffer.from(piece));
  };
  const finish = (end: number, isWhole: boolean): MetricLine => {
    const text = length > MAX_METRIC_LINE_BYTES ? undefined : Buffer.concat(pieces).toString('utf8');
    pieces = [];
    length = 0;
    return { text, end, isWhole };
  };
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) break;
    const chunk = buffer.subarray(0, bytesRead);
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      take(chunk.subarray(start, end));
      start = end + 1;
      yield finish(position + start, true);
    }
    take(chunk.subarray(start));
    position += bytesRead;
  }
  if (length > 0) yield finish(position, false);
}

/** The JSON object of a line; undefined for one that is torn, too long or foreign. */
export const parseMetricLine = ({ text }: MetricLine): Readonly<Record<string, unknown>> | undefined => {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text.replace(/^\ufeff/u, ''));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
};
