/**
 * What engines answered, kept for the next start in one small file of the user's cache folder. It is a convenience: a
 * folder that cannot be written, a file that cannot be read or that somebody else wrote cost the questions once more, and
 * nothing else.
 */
import { parseJson } from '@polygate/core';
import { writeFileAtomic } from '@polygate/core/node';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './machine.ts';

const FORMAT = 1;
/** Engines, precisions, builds and settings that are remembered; the oldest is forgotten. */
const MOST_ENTRIES = 64;
/** A larger file is not ours. */
const MOST_BYTES = 1 << 20;

const fileName = (): string => join(cacheFolder(), 'engine-answers.json');

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const readEntries = async (): Promise<Map<string, unknown>> => {
  try {
    const text = await readFile(fileName(), 'utf8');
    if (text.length > MOST_BYTES) return new Map();
    const content = parseJson(text, 'the cache of engine answers');
    if (!isRecord(content) || content['format'] !== FORMAT || !isRecord(content['entries'])) return new Map();
    return new Map(Object.entries(content['entries']));
  } catch {
    return new Map();
  }
};

/** The entry of a key, or undefined. Its form is the caller's to check. */
export const readAnswer = async (key: string): Promise<unknown> => (await readEntries()).get(key);

/** Keeps an entry; of two processes that write at once one entry may be lost. */
export const writeAnswer = async (key: string, value: unknown): Promise<void> => {
  const entries = await readEntries();
  entries.delete(key);
  entries.set(key, value);
  const kept = [...entries].slice(-MOST_ENTRIES);
  try {
    await writeFileAtomic(
      fileName(),
      `${JSON.stringify({ format: FORMAT, entries: Object.fromEntries(kept) })}\n`,
    );
  } catch {
    // Not writable: the next start asks again.
  }
};
