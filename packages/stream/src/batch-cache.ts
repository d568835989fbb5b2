/** Decoded batches by number, least recently used out first, within a byte budget. */
import type { RecordBatch } from 'apache-arrow';

interface Entry {
  readonly batch: RecordBatch;
  readonly bytes: number;
}

/** What a cache holds and how it served. */
export interface CacheReport {
  readonly bytes: number;
  readonly batches: number;
  readonly hits: number;
  readonly misses: number;
}

/** A least-recently-used cache of batches. */
export interface BatchCache {
  /** The batch, marked as just used; counts a hit or a miss. */
  get(key: number): RecordBatch | undefined;
  /** Keeps a batch and lets go of the oldest until the budget holds; one larger than the budget is not kept. */
  set(key: number, batch: RecordBatch, bytes: number): void;
  clear(): void;
  report(): CacheReport;
}

/** A cache of at most `budget` bytes. */
export const createBatchCache = (budget: number): BatchCache => {
  const entries = new Map<number, Entry>();
  let held = 0;
  let hits = 0;
  let misses = 0;
  const drop = (key: number): void => {
    held -= entries.get(key)?.bytes ?? 0;
    entries.delete(key);
  };
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) {
        misses += 1;
        return undefined;
      }
      hits += 1;
      entries.delete(key);
      entries.set(key, entry);
      return entry.batch;
    },
    set(key, batch, bytes) {
      drop(key);
      if (bytes > budget) return;
      for (const oldest of entries.keys()) {
        if (held + bytes <= budget) break;
        drop(oldest);
      }
      entries.set(key, { batch, bytes });
      held += bytes;
    },
    clear() {
      entries.clear();
      held = 0;
    },
    report: () => ({ bytes: held, batches: entries.size, hits, misses }),
  };
};
