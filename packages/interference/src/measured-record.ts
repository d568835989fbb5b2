/** Files of what was measured of a run: JSON of one schema, read and written alike. */
import { FormatError, parseJson } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';

/** JSON has no NaN: null stands for it. */
export const measuredNumber = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN);

/** Writes a record; NaN becomes null by JSON's own rule. @throws StateError for a full or unwritable disk */
export const writeRecord = (path: string, record: object): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(record, null, 1)}\n`);

/**
 * Reads a record of version 1.
 * @param measure what `polygate inspect` calls it
 * @returns undefined when there is none
 * @throws FormatError for another file
 */
export const readRecord = async <Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  measure: string,
): Promise<z.output<Schema> | undefined> => {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  const remedy = `measure it again with \`polygate inspect ${measure}\``;
  const result = schema.safeParse(parseJson(bytes, `${measure} ${path}`, { remedy }));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new FormatError(
    `${measure} ${path}: expected a record of version 1: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}; ${remedy}`,
    { fields: { path } },
  );
};
