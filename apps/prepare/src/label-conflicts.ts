/** Samples that show the same and have different labels: one of the two is wrong, and a model can learn neither. */
import type { LabelConflicts } from '@polygate/datasets';

interface Seen {
  readonly label: number;
  readonly id: string;
}

/** Finds samples whose label is another one than that of the first sample with the same content. */
export class ConflictFinder {
  readonly #first = new Map<string, Seen>();
  #rows = 0;
  #example:
    { readonly ids: readonly [string, string]; readonly labels: readonly [number, number] } | undefined;

  /** @param key what the sample shows */
  add(key: string, { label, id }: Seen): void {
    const first = this.#first.get(key);
    if (!first) this.#first.set(key, { label, id });
    else if (first.label !== label) {
      this.#rows += 1;
      this.#example ??= { ids: [first.id, id], labels: [first.label, label] };
    }
  }

  /** What was found, or undefined where all agree. */
  conflicts(classes: readonly string[]): LabelConflicts | undefined {
    if (!this.#example) return undefined;
    const { ids, labels } = this.#example;
    return {
      rows: this.#rows,
      example: ids,
      labels: [classes[labels[0]] ?? String(labels[0]), classes[labels[1]] ?? String(labels[1])],
    };
  }
}
