/**
 * metrics.jsonl: one line for each record, in the order of steps. A resumed run first cuts the file back to the step
 * it resumes from, so that the steps which are made again don't appear twice.
 */
import { writeError } from '@polygate/core/node';
import { open, type FileHandle } from 'node:fs/promises';
import { metricLines, parseMetricLine } from './metric-lines.ts';

/** Name of the metrics file in a run directory. */
export const METRICS_FILE = 'metrics.jsonl';

/** What was found when a metrics file was cut back. */
export interface MetricsFinding {
  /** Numbers of lines, from 1, that are no records of a run; they stay. */
  readonly damaged: readonly number[];
  /** Step of the last record that stays; 0 for a file without one. */
  readonly lastStep: number;
}

/** Where a file is to be cut: behind the last record of at most `step`, and lines behind it that belong to no later one. */
const findEnd = async (
  file: FileHandle,
  step: number,
): Promise<MetricsFinding & { readonly end: number }> => {
  const damaged: number[] = [];
  /** Damaged lines behind a record of a later step: they stay only if a record that stays follows. */
  let doubtful: number[] = [];
  let [end, number, lastStep] = [0, 0, 0];
  let isLater = false;
  for await (const line of metricLines(file)) {
    number += 1;
    // A torn last line is what a killed process leaves.
    if (!line.isWhole) break;
    if (line.text?.trim() === '') continue;
    const lineStep = parseMetricLine(line)?.['step'];
    if (typeof lineStep === 'number' && lineStep <= step) {
      damaged.push(...doubtful);
      doubtful = [];
      isLater = false;
      lastStep = lineStep;
      end = line.end;
    } else if (typeof lineStep === 'number') {
      isLater = true;
    } else if (isLater) {
      doubtful.push(number);
    } else {
      damaged.push(number);
      end = line.end;
    }
  }
  return { damaged, lastStep, end };
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
 * Cuts a metrics file after the last whole line of a step of at most `step`; a missing file is left missing. Lines that
 * are damaged stay where they are.
 * @returns which lines are damaged, and how far the file goes
 * @throws StateError when the file can't be written
 */
export const truncateMetrics = async (path: string, step: number): Promise<MetricsFinding> => {
  let handle;
  try {
    handle = await open(path, 'r+');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return { damaged: [], lastStep: 0 };
    throw writeError(path, cause);
  }
  try {
    const { end, ...finding } = await findEnd(handle, step);
    await handle.truncate(end);
    await handle.sync();
    return finding;
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
