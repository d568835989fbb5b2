/** diagnostics.json: what was measured, for programs and for the report. */
import { z } from 'zod';
import type { Diagnostics } from './measure-diagnostics.ts';
import { measuredNumber as number, readRecord, writeRecord } from './measured-record.ts';

export interface DiagnosticsRecord extends Diagnostics {
  readonly kind: 'polygate-diagnostics';
  readonly version: 1;
  readonly run: string;
  /** Updates of the checkpoint. */
  readonly trainedSteps: number | null;
  /** Most batches of a task and split. */
  readonly batches: number;
  readonly step: number;
  readonly seed: number;
  readonly engine: { readonly name: string; readonly device: string; readonly precision: string };
}

/** Name of the file in a run's `inspect` folder. */
export const DIAGNOSTICS_FILE = 'diagnostics.json';

const fit = { training: number, validation: z.number().nullable(), gap: z.number().nullable() };
const agreement = {
  names: z.array(z.string()),
  cosine: z.array(z.array(number)),
  purity: z.array(number),
};
const recordSchema = z.object({
  kind: z.literal('polygate-diagnostics'),
  version: z.literal(1),
  run: z.string(),
  trainedSteps: z.number().nullable(),
  batches: z.number(),
  step: z.number(),
  seed: z.number(),
  engine: z.object({ name: z.string(), device: z.string(), precision: z.string() }),
  layer: z.number(),
  weights: z.number(),
  tasks: z.array(
    z.object({
      task: z.string(),
      ...fit,
      modalities: z.array(
        z.object({ modality: z.string(), ...fit, blend: z.number().nullable(), drop: z.number().nullable() }),
      ),
      agreement: z.object(agreement).nullable(),
    }),
  ),
  between: z.object({ ...agreement, affinity: z.array(z.array(number)) }).nullable(),
});

/** Writes a diagnostics.json. @throws StateError for a full or unwritable disk */
export const writeDiagnostics = (path: string, record: DiagnosticsRecord): Promise<void> =>
  writeRecord(path, record);

/** Reads a diagnostics.json. @returns undefined when there is none. @throws FormatError for another file */
export const readDiagnostics = (path: string): Promise<DiagnosticsRecord | undefined> =>
  readRecord(path, recordSchema, 'diagnostics');
