/** Rows that name one image -> one sample with the captions of all of them. */
import { fault, type Fault, type Sample } from './sample.ts';

/** What rows are joined by: the image, and the split where the source names one. */
export const rowKey = (path: string, sample: Sample): string => `${sample.split ?? ''}\n${path}`;

/** One pass over the rows of a source. */
export interface ImageRowPass {
  /** The sample of the image once its last row is there, else undefined. */
  add(key: string, sample: Sample): Sample | Fault | undefined;
  /** Samples whose last row did not come: the file changed between the passes. */
  rest(): (Sample | Fault)[];
}

/** Gathers rows by the image that they show. */
export class ImageRows {
  readonly #expected = new Map<string, number>();

  /** Counts a row in a first pass. */
  expect(key: string): void {
    this.#expected.set(key, (this.#expected.get(key) ?? 0) + 1);
  }

  /** Ends the first pass: images of one row need not be remembered. */
  settle(): void {
    for (const [key, count] of this.#expected) if (count === 1) this.#expected.delete(key);
  }

  /** Begins a pass over the rows. Only rows of images that are named several times are kept until the last is there. */
  begin(): ImageRowPass {
    const open = new Map<string, { readonly samples: Sample[]; left: number }>();
    return {
      add: (key, sample) => {
        const expected = this.#expected.get(key);
        if (expected === undefined) return sample;
        const group = open.get(key) ?? { samples: [], left: expected };
        group.samples.push(sample);
        group.left -= 1;
        open.set(key, group);
        if (group.left > 0) return undefined;
        open.delete(key);
        return joinRows(group.samples);
      },
      rest: () => [...open.values()].map(({ samples }) => joinRows(samples)),
    };
  }
}

/** One sample of rows that show one image; captions keep their order. */
export const joinRows = (samples: readonly Sample[]): Sample | Fault => {
  const [first] = samples as readonly [Sample];
  const labels = new Set(samples.map(({ label }) => label));
  if (labels.size > 1) {
    return fault(
      first.id,
      'several-labels',
      `expected one label for an image, got ${labels.size} in ${samples.length} rows that name it`,
    );
  }
  const texts = samples.flatMap((sample) => sample.texts ?? []);
  return texts.length === 0 ? first : { ...first, texts };
};
