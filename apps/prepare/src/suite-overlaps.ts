/** What one dataset of a suite trains on and another one holds out: every dataset draws its splits for itself. */
import type { SplitOverlap } from '@polygate/datasets';

/** The samples of a part of a dataset whose splits are settled, in order. */
export interface ShownSamples {
  readonly splits: readonly string[];
  /** What each shows, by `shownKey`. */
  readonly keys: readonly string[];
  readonly ids: readonly string[];
}

interface Trained {
  readonly dataset: string;
  readonly id: string;
}

/** Finds samples that one dataset trains on and another one holds out. */
export class SuiteOverlaps {
  readonly #parts: (ShownSamples & { readonly dataset: string })[] = [];

  add(dataset: string, samples: ShownSamples): void {
    this.#parts.push({ ...samples, dataset });
  }

  /** What was found, by the dataset that holds the samples out. */
  overlaps(): ReadonlyMap<string, readonly SplitOverlap[]> {
    const trained = this.#trained();
    const overlaps = new Map<string, Map<string, SplitOverlap>>();
    for (const { dataset, splits, keys, ids } of this.#parts) {
      for (const [index, key] of keys.entries()) {
        const split = splits[index] ?? '';
        if (split === 'train') continue;
        for (const other of trained.get(key) ?? []) {
          if (other.dataset === dataset) continue;
          const byOther = overlaps.get(dataset) ?? new Map<string, SplitOverlap>();
          const overlap = byOther.get(`${split}\n${other.dataset}`);
          byOther.set(`${split}\n${other.dataset}`, {
            splits: [split, 'train'],
            dataset: other.dataset,
            rows: (overlap?.rows ?? 0) + 1,
            example: overlap?.example ?? [ids[index] ?? '', other.id],
          });
          overlaps.set(dataset, byOther);
        }
      }
    }
    return new Map([...overlaps].map(([dataset, byOther]) => [dataset, [...byOther.values()]]));
  }

  /** The first training sample of each dataset that shows a key. */
  #trained(): Map<string, Trained[]> {
    const trained = new Map<string, Trained[]>();
    if (new Set(this.#parts.map(({ dataset }) => dataset)).size < 2) return trained;
    for (const { dataset, splits, keys, ids } of this.#parts) {
      for (const [index, key] of keys.entries()) {
        // What shows nothing has its id for a key, which says nothing in another dataset.
        if (splits[index] !== 'train' || key.startsWith('id:')) continue;
        const earlier = trained.get(key);
        const entry = { dataset, id: ids[index] ?? '' };
        if (!earlier) trained.set(key, [entry]);
        else if (earlier.every((each) => each.dataset !== dataset)) earlier.push(entry);
      }
    }
    return trained;
  }
}
