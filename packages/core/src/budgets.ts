/**
 * How much memory content that others made may take: one record of named bounds, asked before anything is expanded.
 * What a file declares is compared first; where it declares nothing, the running total is.
 */
import { ConfigError } from './errors.ts';

/** Bounds in bytes. Each is named in the error of what exceeds it. */
export interface Budgets {
  /** One encoded image. @default 67108864 */
  readonly imageBytes: number;
  /** Pixels of all images that are decoded at once, as their headers declare them. @default 536870912 */
  readonly decodeBytes: number;
  /** One member of an archive. @default 67108864 */
  readonly memberBytes: number;
  /** All members of one sample of an archive. @default 134217728 */
  readonly sampleBytes: number;
  /** One text: a paragraph, a caption. @default 4194304 */
  readonly textBytes: number;
  /** All paragraphs of a document. @default 33554432 */
  readonly documentBytes: number;
  /** One JSON document in memory, parsed. @default 1073741824 */
  readonly jsonBytes: number;
  /** One record batch in memory, decompressed. @default 268435456 */
  readonly batchBytes: number;
  /** One row group of a Parquet file or batch of an Arrow file of others, of the columns that are read. @default 1073741824 */
  readonly groupBytes: number;
  /** The header of a safetensors file. @default 16777216 */
  readonly headerBytes: number;
}

export const defaultBudgets: Budgets = Object.freeze({
  imageBytes: 2 ** 26,
  decodeBytes: 2 ** 29,
  memberBytes: 2 ** 26,
  sampleBytes: 2 ** 27,
  textBytes: 2 ** 22,
  documentBytes: 2 ** 25,
  jsonBytes: 2 ** 30,
  batchBytes: 2 ** 28,
  groupBytes: 2 ** 30,
  headerBytes: 2 ** 24,
});

/** The default budgets with others in their place. @throws ConfigError for a budget that is no positive whole number */
export const resolveBudgets = (given: Partial<Budgets> = {}): Budgets => {
  for (const [name, bytes] of Object.entries(given)) {
    if (bytes === undefined || (Number.isSafeInteger(bytes) && bytes > 0)) continue;
    throw new ConfigError(`budget ${name}: expected a positive whole number of bytes, got ${String(bytes)}`);
  }
  return { ...defaultBudgets, ...given };
};

/** What is wrong with content over a budget, for an error text. @param got bytes, or what is known of them */
export const overBudget = (name: keyof Budgets, limit: number, got: number | string): string =>
  `expected at most ${limit} bytes (budget ${name}), got ${got}; raise the budget if that is meant`;
