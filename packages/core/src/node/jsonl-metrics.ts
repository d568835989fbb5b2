import { appendFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { MetricSink } from '../metrics.ts';
import { makeFolder } from './folders.ts';

/** Appends each record as one JSON line; a line is written whole or not at all by a single append. */
export const jsonlMetricSink = (path: string): MetricSink => {
  let ready: Promise<unknown> | undefined;
  return {
    async write(record) {
      ready ??= makeFolder(dirname(path));
      await ready;
      await appendFile(
        path,
        `${JSON.stringify({ step: record.step, kind: record.kind, ...record.values })}\n`,
      );
    },
  };
};
