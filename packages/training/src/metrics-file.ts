/**
 * metrics.jsonl: one line for each record, in the order of steps. A resumed run first cuts the file back to the step
 * it resumes from, so that the steps which are made again don't appear twice.
 */
import { writeError } from '@polygate/core';
import { open } from 'node:fs/promises';

/** Name of the metrics file in a run directory. */
export const METRICS_FILE = 'metrics.jsonl';

const NEWLINE = 0x0a;
const CHUNK_BYTES = 1 << 20;

/** Step of a line, or undefined for a torn or foreign one. */
const stepOf = (line: Buffer): number | undefined => {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    if (typeof value !== 'object' || value === null || !('step' in value)) return undefined;
    return typeof value.step === 'number' ? value.step : undefined;
  } catch {
    return undefined;
  }
};

/** Length of the longest beginning made of whole lines of steps up to `step`. */
const keptBytes = async (read: () => Promise<Buffer>, step: number): Promise<number> => {
  let kept = 0;
  let rest: Buffer = Buffer.alloc(0);
  for (let chunk = await read(); chunk.length > 0; chunk = await read()) {
    rest = Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = rest.indexOf(NEWLINE, from); end >= 0; end = rest.indexOf(NEWLINE, from)) {
      const found = stepOf(rest.subarray(from, end));
      if (found === undefined || found > step) return kept;
      kept += end + 1 - from;
      from = end + 1;
    }
    rest = rest.subarray(from);
  }
  return kept;
};

/**
 * Cuts a metrics file after the last whole line of a step of at most `step`; a missing file is left missing.
 * @throws StateError when the file can't be written
 */
export const truncateMetrics = async (path: string, step: number): Promise<void> => {
  let handle;
  try {
    handle = await open(path, 'r+');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw writeError(path, cause);
  }
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    const file = handle;
    const kept = await keptBytes(async () => {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      return Buffer.from(buffer.subarray(0, bytesRead));
    }, step);
    await handle.truncate(kept);
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Forces what was appended to the disk; a missing file is fine. Called before a checkpoint claims those steps. */
export const syncMetrics = async (path: string): Promise<void> => {
  const handle = await open(path, 'r+').catch(() => undefined);
  if (!handle) return;
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};
