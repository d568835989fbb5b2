/** metrics.jsonl as series: losses of steps by task, values of validations, and what routers did. */
import { StateError } from '@polygate/core';
import type { CurvePoint } from '@polygate/figures';
import { METRICS_FILE, readMetricRecords } from '@polygate/training';
import { join } from 'node:path';
import { z } from 'zod';

const shares = z.array(z.number());

const groupSchema = z.object({
  modality: z.string(),
  attributes: z.string(),
  tokens: z.number(),
  load: shares,
  importance: shares,
});

const routingSchema = z.object({
  step: z.number(),
  task: z.string(),
  /** Group of experts, where there are several. */
  group: z.string().optional(),
  condition: z.string(),
  experts: z.number(),
  sites: z.array(
    z.object({
      block: z.number(),
      linears: z.array(z.string()),
      tokens: z.number(),
      load: shares,
      entropy: z.number(),
      droppedFraction: z.number(),
      maximumViolation: z.number(),
      groups: z.array(groupSchema).default([]),
    }),
  ),
});

/** One record of kind `routing`, as far as the report looks at it. */
export type RoutingEntry = z.output<typeof routingSchema>;

export interface MetricsLog {
  /** Losses by task. */
  readonly losses: ReadonlyMap<string, readonly CurvePoint[]>;
  /** Values by name, such as `mnist/test/loss`. */
  readonly validation: ReadonlyMap<string, readonly CurvePoint[]>;
  readonly routing: readonly RoutingEntry[];
  /** Last step of any record; 0 when there is none. */
  readonly lastStep: number;
  /** Lines that could not be read, such as the torn last one of a run at work. */
  readonly unreadable: number;
}

const headSchema = z.looseObject({ step: z.number(), kind: z.string() });
const trainSchema = z.object({ task: z.string(), loss: z.number() });

const push = (into: Map<string, CurvePoint[]>, name: string, point: CurvePoint): void => {
  const series = into.get(name);
  if (series) series.push(point);
  else into.set(name, [point]);
};

/**
 * Reads the metrics of a run; unknown kinds of records are passed over.
 * @throws StateError when there are none
 */
export const readMetrics = async (run: string): Promise<MetricsLog> => {
  const path = join(run, METRICS_FILE);
  const losses = new Map<string, CurvePoint[]>();
  const validation = new Map<string, CurvePoint[]>();
  const routing: RoutingEntry[] = [];
  let lastStep = 0;
  let unreadable = 0;
  try {
    for await (const record of readMetricRecords(path)) {
      const head = headSchema.safeParse(record);
      if (!head.success) {
        unreadable += 1;
        continue;
      }
      const { step, kind, ...values } = head.data;
      lastStep = Math.max(lastStep, step);
      if (kind === 'train') {
        const { success, data } = trainSchema.safeParse(values);
        if (success) push(losses, data.task, { x: step, y: data.loss });
        else unreadable += 1;
      } else if (kind === 'validation') {
        for (const [name, value] of Object.entries(values)) {
          if (typeof value === 'number') push(validation, name, { x: step, y: value });
        }
      } else if (kind === 'routing') {
        const { success, data } = routingSchema.safeParse({ step, ...values });
        if (success) routing.push(data);
        else unreadable += 1;
      }
    }
  } catch (cause) {
    throw new StateError(
      `report: expected a readable ${path}, got ${(cause as NodeJS.ErrnoException).code ?? String(cause)}; give the folder of a run that pretrain wrote`,
      { code: 'metrics-missing', fields: { path }, cause },
    );
  }
  return { losses, validation, routing, lastStep, unreadable };
};
