/**
 * metrics.jsonl: one line for each record, in the order of steps. A resumed run first cuts the file back to the step
 * it resumes from, so that the steps which are made again don't appear twice.
 */
import { writeError } from '@polygate/core/node';
import { open, type FileHandle } from 'node:fs/promises';
import { metricLines, parseMetricLine } from './metric-lines.ts';

/** Name of the metrics file in a run directory. */
export const METRICS_FILE = 'metrics.jsonl';

/** Length of the longest beginning made of whole lines of steps up to `step`. */
const keptBytes = async (file: FileHandle, step: number): Promise<number> => {
  let kept = 0;
  for await (const line of metricLines(file)) {
    const found = parseMetricLine(line)?.['step'];
    if (!line.isWhole || typeof found !== 'number' || found > step) break;
    kept = line.end;
  }
  return kept;
};

/**
 * The records of a metrics file in order; undefined for each line that can't be read, such as the torn last one of a run
 * at work. Empty lines are left out.
 * @throws Error of the file system, such as ENOENT
 */
export async function* readMetricRecords(
  path: string,
): AsyncGenerator<Readonly<Record<string, unknown>> | undefined> {
  const file = await open(path, 'r');
  try {
    for await (const line of metricLines(file)) {
      if (line.text?.trim() !== '') yield parseMetricLine(line);
    }
  } finally {
    await file.close();
  }
}

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
    const kept = await keptBytes(handle, step);
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
