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
