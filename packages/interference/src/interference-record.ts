/** interference.json: what was measured, for programs and for the report. */
import { z } from 'zod';
import type { Estimate, InterferenceMatrix } from './interference-matrix.ts';
import { measuredNumber as number, readRecord, writeRecord } from './measured-record.ts';

const estimate = z.object({ value: number, standardError: number });
const matrix = z.object({
  cells: z.array(z.array(z.object({ ratio: estimate, mean: estimate, median: estimate }))),
  own: z.array(estimate),
  effects: z.array(z.array(z.array(number))),
});

const recordSchema = z.object({
  kind: z.literal('polygate-interference'),
  version: z.literal(1),
  run: z.string(),
  /** Updates of the checkpoint that was measured. */
  trainedSteps: z.number().nullable(),
  tasks: z.array(z.string()),
  /** Batches of each task. */
  batches: z.number(),
  /** Steps of each task after which each batch was evaluated for the exact changes. */
  directions: z.number(),
  /** Length of a step as a share of the weights' norm. */
  stepShare: z.number(),
  seed: z.number(),
  /** Updates in a row on one task alone; 0 where that was not measured. */
  updates: z.number().default(0),
  /** Rounds of them for each task, and batches of each task that losses were taken on. */
  rounds: z.number().default(0),
  /** Rate of those updates. */
  learningRate: z.number().nullable().default(null),
  /** What those updates do; `weights` is how many they change: all. */
  model: z.object({ weights: z.number(), updates: matrix }).nullable().default(null),
  /** Tasks whose batches together hold more samples than the task has: some samples come twice. */
  repeated: z.array(z.string()),
  engine: z.object({ name: z.string(), device: z.string(), precision: z.string() }),
  sites: z.array(
    z.object({
      /** Counted from 1. */
      layer: z.number(),
      layers: z.number(),
      linear: z.string(),
      /** 0 for a dense linear. */
      experts: z.number(),
      condition: z.string().nullable(),
      /** Weights that were looked at. */
      weights: z.number(),
      /** Length of a step in weight space. */
      step: z.number(),
      firstOrder: matrix,
      exact: matrix.nullable(),
    }),
  ),
});

export type InterferenceRecord = z.output<typeof recordSchema>;
export type SiteRecord = InterferenceRecord['sites'][number];

/** Name of the file in a run's `inspect` folder. */
export const INTERFERENCE_FILE = 'interference.json';

/** Writes an interference.json. @throws StateError for a full or unwritable disk */
export const writeInterference = (path: string, record: InterferenceRecord): Promise<void> =>
  writeRecord(path, record);

/** Reads an interference.json. @returns undefined when there is none. @throws FormatError for another file */
export const readInterference = (path: string): Promise<InterferenceRecord | undefined> =>
  readRecord(path, recordSchema, 'interference');

/** A matrix as plain JSON values. */
export const plainMatrix = ({ cells, own, effects }: InterferenceMatrix): SiteRecord['firstOrder'] => ({
  cells: cells.map((row) => row.map((cell) => ({ ...cell }))),
  own: own.map((each: Estimate) => ({ ...each })),
  effects: effects.map((row) => row.map((each) => [...each])),
});
