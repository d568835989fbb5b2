import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/** One line of metrics.jsonl: the step, what kind of record, and its values. */
export interface MetricRecord {
  readonly step: number;
  readonly kind: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Takes metric records in order. */
export interface MetricSink {
  write(record: MetricRecord): Promise<void>;
}

/** Appends each record as one JSON line; a line is written whole or not at all by a single append. */
export const jsonlMetricSink = (path: string): MetricSink => {
  let ready: Promise<unknown> | undefined;
  return {
    async write(record) {
      ready ??= mkdir(dirname(path), { recursive: true });
      await ready;
      await appendFile(
        path,
        `${JSON.stringify({ step: record.step, kind: record.kind, ...record.values })}\n`,
      );
    },
  };
};

/** Keeps records in memory, for tests and notebooks. */
export const memoryMetricSink = (): MetricSink & { readonly records: MetricRecord[] } => {
  const records: MetricRecord[] = [];
  return {
    records,
    async write(record) {
      records.push(record);
    },
  };
};
