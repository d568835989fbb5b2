/** diagnostics.json: what was measured, for programs and for the report. */
import { FormatError, parseJson } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Diagnostics } from './measure-diagnostics.ts';

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

/** JSON has no NaN: null stands for it. */
const number = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN);
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
  writeFileAtomic(path, `${JSON.stringify(record, null, 1)}\n`);

/** Reads a diagnostics.json. @returns undefined when there is none. @throws FormatError for another file */
export const readDiagnostics = async (path: string): Promise<DiagnosticsRecord | undefined> => {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  const remedy = 'measure it again with `polygate inspect diagnostics`';
  const result = recordSchema.safeParse(parseJson(bytes, `diagnostics ${path}`, { remedy }));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new FormatError(
    `diagnostics ${path}: expected a record of version 1: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}; ${remedy}`,
    { fields: { path } },
  );
};
